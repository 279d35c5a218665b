"""The built function under the real runtime interface emulator, and the deliveries that it is given."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from machine import ROOT, children
from ports import free_ports, listens, wait_for

KEY, SECRET = "bench-access", "bench-secret"
TOOLS = pathlib.Path(sys.executable).parent
LIM = str(pathlib.Path(__file__).parent / "lim.sh")


class Function:
    """One emulator, and in it the function; its process starts with the first delivery.

    It may not write a byte into any file, whatever the file system: the kernel would kill it (RLIMIT_FSIZE).
    """

    def __init__(self, program, store, memory=1769, share=None, more=None):
        rapid = next((TOOLS.parent / "lib").glob("python*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))
        port, api = free_ports(2)
        sources = {"vk": {"kind": "s3", "flavor": "vk", "endpoint": store.endpoint, "region": "ru-msk", "buckets": {"mcs0000000000/origin": {"prefix": ""}}}}
        settings = {
            "SOURCES": json.dumps(sources),
            "SECRETS": json.dumps({"vk": {"access_key_id": KEY, "secret_access_key": SECRET}}),
            "BACKUP_BUCKET": "backup",
            "AWS_ENDPOINT_URL_S3": store.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "900",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        }
        settings |= more or {}
        if store.ca:
            settings["SSL_CERT_FILE"] = str(store.ca)
        self.program, self.started = os.path.abspath(program), False
        command = [rapid, "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}", "--log-level", "error"]
        command += [LIM, str(share)] if share else []
        command += ["/usr/bin/prlimit", "--fsize=0", self.program]
        self.emulator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]} | settings)
        # The newest lines of its log; a pipe that nobody reads would stop it.
        self.log = collections.deque(maxlen=50)
        threading.Thread(target=lambda: self.log.extend(self.emulator.stdout), daemon=True).start()
        self.url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        try:
            wait_for("the emulator listens", lambda: listens(port))
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.invoke((ROOT / "events/ping.json").read_bytes())

    def invoke(self, event):
        """What the function answered, or what the emulator says of one that died (as a 502)."""
        try:
            answer = urllib.request.urlopen(urllib.request.Request(self.url, data=event), timeout=1000)
        except urllib.error.HTTPError as died:
            answer = died
        with answer:
            self.started = True
            return json.load(answer)

    def mirror(self, event):
        """Invokes, and insists that every object of the delivery was copied."""
        answer = self.invoke(event)
        outcomes = json.loads(answer.get("body") or "{}").get("outcomes", [])
        if answer.get("statusCode") != 200 or not outcomes or any(of["outcome"] != "copied" for of in outcomes):
            sys.exit(f"{str(answer)[:500]}\n{b''.join(self.log).decode()[-3000:]}")

    def pid(self):
        return next(pid for pid, program in children(self.emulator.pid).items() if program == self.program)

    def stop(self):
        self.emulator.terminate()
        self.emulator.wait()


def created(*keys):
    """A delivery of creations whose sender has stopped waiting long ago: the function has all its own time."""
    event = json.loads((ROOT / "events/vk-created.json").read_text())
    body = json.loads(event["body"])
    record = body["Records"][0]
    body["Records"] = [record | {"s3": record["s3"] | {"object": record["s3"]["object"] | {"key": key}}} for key in keys]
    event["body"] = json.dumps(body)
    return json.dumps(event).encode()
