"""The function on this machine: `hookctl dev` in a process of its own, with the senders' side of it (real curl, the S3 API)."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOOKCTL = pathlib.Path(os.environ.get("HOOKCTL", ROOT / "target/debug/hookctl"))
TOKEN = "token-of-the-browser-tests"
PROJECT = "mcs0000000000"
# The first steps of `hookctl dev`, in seconds: they are those of `make demo`.
START_LIMIT = 60


def wait(what, condition, seconds=10.0, pause=0.02):
    """What the condition gives once it is true; an error that says what was waited for."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(pause)


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Local:
    """One `hookctl dev`, ready once its first steps are through."""

    def __init__(self, folder):
        self.port, s3_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.inbox = f"{self.url}/inbox"
        self.output = folder / "dev.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [HOOKCTL, "dev", "--port", str(self.port), "--s3-port", str(s3_port)],
                env=environment | {"INBOX_TOKEN": TOKEN, "NO_COLOR": "1"},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
        self.s3 = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{s3_port}", region_name="us-east-1", aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )
        wait("hookctl dev is ready", self.ready, START_LIMIT)

    def ready(self):
        assert self.process.poll() is None, f"hookctl dev has ended:\n{self.said()}"
        return "Ctrl-C stops" in self.said()

    def said(self):
        return self.output.read_text(errors="replace")

    def close(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # -- As senders

    def curl(self, path, body="", *arguments):
        """Posts with curl; the status, the headers and the body of the answer."""
        body = body if isinstance(body, bytes) else body.encode()
        done = subprocess.run(
            ["curl", "-sS", "-i", "-X", "POST", f"{self.url}{path}", "-H", "expect:", "-H", "content-type: application/json",
             *arguments, "--data-binary", "@-"],
            input=body, capture_output=True, timeout=30, check=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return int(lines[0].split()[1]), headers, content

    def deliver(self, path, body="", *arguments, status=200):
        """The id of a delivery that is answered so."""
        answered, headers, content = self.curl(path, body, *arguments)
        assert answered == status, (answered, content)
        assert "hookwork-recorded" not in headers, headers
        return json.loads(content)["delivery"]

    def of_storage(self, key, event="s3:ObjectCreated:Put", bucket="origin", **more):
        """What VK would post; its object need not exist."""
        record = {"eventName": event, "s3": {"bucket": {"name": bucket, "ownerIdentity": {"principalId": PROJECT}},
                                              "object": {"key": key, "size": 5, "sequencer": 1, "eTag": "x"}}}
        return json.dumps({"Records": [record | more]})

    # -- As whoever has the token

    def api(self, method, path, body=None):
        """The JSON of an answer; None of an empty one."""
        request = urllib.request.Request(
            f"{self.inbox}/api/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def delivery(self, identity):
        return self.api("GET", f"deliveries/{identity}")

    def attempts(self, identity, least):
        """Waits for so many attempts of a delivery."""
        def enough():
            try:
                found = self.delivery(identity)["attempts"]
            except urllib.error.HTTPError:
                return None
            return found if len(found) >= least else None
        return wait(f"{least} attempts of {identity}", enough)

    def endpoint(self, name="test", forward=False):
        """A new endpoint's path, with its token in it."""
        made = self.api("POST", "endpoints", {"name": name, "days": 1, "forward": forward})
        return f"/in/{made['endpoint']['endpoint']}/{made['token']}", made["endpoint"]["endpoint"]

    def audit(self):
        """Runs one, and waits until it is through."""
        before = self.said().count("audited")
        self.process.send_signal(signal.SIGUSR1)
        wait("an audit", lambda: self.said().count("audited") > before, 30)

    def hold(self, removals):
        """Makes copies whose originals are gone, so many that the next audit holds their removals."""
        marked = next(one["Key"] for one in self.s3.list_objects_v2(Bucket="backup")["Contents"])
        for number in range(removals):
            self.s3.copy_object(Bucket="backup", Key=f"gone/{number:04}.txt", CopySource={"Bucket": "backup", "Key": marked})
        self.audit()
        held = self.api("GET", "mirror")["origins"][0]["held"]
        assert held and held["removals"] == removals, held

    def files(self, identity):
        """The names of a delivery's files in the state bucket, the delivery itself first."""
        group = f"deliveries/{(1 << 48) - 1 - int(identity.replace('-', '')[:12], 16):012x}-{identity}/"
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket="state", Prefix=group)["Contents"]]

    def forget(self):
        """Empties the inbox."""
        for folder in ("deliveries/", "strangers/"):
            while contents := self.s3.list_objects_v2(Bucket="state", Prefix=folder).get("Contents"):
                for one in contents:
                    self.s3.delete_object(Bucket="state", Key=one["Key"])


def spoken(text):
    """A text with its white space evened out."""
    return re.sub(r"\s+", " ", text).strip()
