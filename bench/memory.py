#!/usr/bin/env python3
"""Peak memory and CPU of the function while it mirrors objects of several sizes.

    .venv/bin/python bench/memory.py HOOKWORK [--mib 256 1024] [-n ROUNDS] [--tls] [--limit MIB]

The built function runs under the real runtime interface emulator, invoked directly; SeaweedFS on disk is origin and
backup at once. Each run has a process of its own. Every copy is compared with the original byte for byte. Ends with 1 if
a copy differs or a run takes more than --limit MiB.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

from machine import ROOT, children, cpu_seconds, spread, status_of, table, wait_until_idle

MIB = 1 << 20
KEY, SECRET = "bench-access", "bench-secret"
TOOLS = pathlib.Path(sys.executable).parent


class Generated:
    """A file of any size without a place on the disk: no two of its mebibytes are equal, and none compresses."""

    def __init__(self, mib):
        self.left, self.number, self.block = mib, 0, random.Random(mib).randbytes(MIB)
        self.hash = hashlib.sha256()

    def read(self, size):
        pieces = []
        for _ in range(min(self.left, max(1, size // MIB))):
            pieces.append(self.number.to_bytes(8, "big") + self.block[8:])
            self.number, self.left = self.number + 1, self.left - 1
            self.hash.update(pieces[-1])
        return b"".join(pieces)


def free_ports(count):
    """Ports whose neighbours ten thousand above are free as well: SeaweedFS listens there too."""
    found = []
    for port in range(20_000 + os.getpid() % 8_000, 33_000):
        try:
            for tried in (port, port + 10_000):
                socket.create_server(("127.0.0.1", tried)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    sys.exit("no free ports")


def wait_for(what, ready, patience=60):
    started = time.monotonic()
    while not ready():
        if time.monotonic() - started > patience:
            sys.exit(f"not within {patience} s: {what}")
        time.sleep(0.1)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Weed:
    """SeaweedFS, on disk in the folder."""

    def __init__(self, folder, tls):
        master, volume, filer, s3, https = free_ports(5)
        identity = {"name": "bench", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        command = [TOOLS / "weed", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder / 'data'}", "-s3", f"-s3.config={folder / 's3.json'}"]
        command += [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}", "-s3.port.lance=0", "-s3.port.iceberg=0"]
        command += ["-master.telemetry=false", "-volume.max=60", "-master.volumeSizeLimitMB=1024"]
        self.ca = None
        if tls:
            subprocess.run([sys.executable, ROOT / "tests/tls_server.py", folder, "--certificates-only"], check=True)
            command += [f"-s3.port.https={https}", f"-s3.cert.file={folder / 'server.pem'}", f"-s3.key.file={folder / 'server.key'}"]
            self.ca = folder / "ca.pem"
        self.endpoint = f"https://127.0.0.1:{https}" if tls else f"http://127.0.0.1:{s3}"
        environment = os.environ | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "2"}
        with open(folder / "weed.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        self.folder = folder
        try:
            self.s3 = boto3.client(
                "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                verify=str(self.ca) if tls else None, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 8}),
            )
            wait_for("SeaweedFS listens", lambda: listens(https if tls else s3))
            wait_for("SeaweedFS stores", lambda: self.assigns(master))
            for bucket in ("origin", "backup"):
                self.s3.create_bucket(Bucket=bucket)
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def assigns(master):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{master}/dir/assign") as answer:
                return b"fid" in answer.read()
        except OSError:
            return False

    def digest(self, bucket, key):
        digest = hashlib.sha256()
        for piece in self.s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(4 * MIB):
            digest.update(piece)
        return digest.hexdigest()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Function:
    """The built function under the emulator."""

    def __init__(self, program, weed, folder):
        rapid = next((TOOLS.parent / "lib").glob("python*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"))
        port, api = free_ports(2)
        sources = {"vk": {"kind": "s3", "flavor": "vk", "endpoint": weed.endpoint, "region": "ru-msk", "buckets": {"mcs0000000000/origin": {"prefix": ""}}}}
        settings = {
            "SOURCES": json.dumps(sources),
            "SECRETS": json.dumps({"vk": {"access_key_id": KEY, "secret_access_key": SECRET}}),
            "BACKUP_BUCKET": "backup",
            "AWS_ENDPOINT_URL_S3": weed.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "900",
        }
        if weed.ca:
            settings["SSL_CERT_FILE"] = str(weed.ca)
        command = [rapid, "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}"]
        with open(folder / "function.log", "ab") as log:
            self.emulator = subprocess.Popen(
                [*command, "--log-level", "error", program], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"]} | settings, cwd=folder
            )
        self.url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        self.program = program
        wait_for("the emulator listens", lambda: listens(port))
        self.invoke((ROOT / "events/ping.json").read_bytes())

    def invoke(self, event):
        with urllib.request.urlopen(urllib.request.Request(self.url, data=event), timeout=1000) as answer:
            return json.load(answer)

    def pid(self):
        return next(pid for pid, program in children(self.emulator.pid).items() if program == self.program)

    def stop(self):
        self.emulator.terminate()
        self.emulator.wait()


def created(key):
    """A creation whose sender has stopped waiting long ago: the function has all its own time."""
    event = json.loads((ROOT / "events/vk-created.json").read_text())
    body = json.loads(event["body"])
    body["Records"][0]["s3"]["object"]["key"] = key
    event["body"] = json.dumps(body)
    return json.dumps(event).encode()


def one_run(program, weed, folder, key, mib):
    weed.s3.delete_object(Bucket="backup", Key=key)
    quiet = wait_until_idle()
    function = Function(program, weed, folder)
    try:
        pid = function.pid()
        before = status_of(pid, "VmHWM") / 1024
        cpu, server, began = cpu_seconds(pid), cpu_seconds(weed.process.pid), time.monotonic()
        answer = function.invoke(created(key))
        run = {"wall": time.monotonic() - began, "cpu": cpu_seconds(pid) - cpu, "weed": cpu_seconds(weed.process.pid) - server}
        run |= {"peak": status_of(pid, "VmHWM") / 1024, "started": before, "quiet": quiet}
    finally:
        function.stop()
    outcome = json.loads(answer.get("body") or "{}").get("outcomes")
    if answer.get("statusCode") != 200 or [of["outcome"] for of in outcome] != ["copied"]:
        sys.exit(f"{mib} MiB: {answer}\n{(folder / 'function.log').read_text()[-3000:]}")
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hookwork")
    parser.add_argument("--mib", type=int, nargs="+", default=[256, 1024], help="sizes of objects")
    parser.add_argument("-n", type=int, default=3, help="runs of each size")
    parser.add_argument("--tls", action="store_true", help="TLS on both sides")
    parser.add_argument("--limit", type=float, default=48, help="what the function's peak memory must stay under, in MiB")
    parser.add_argument("--folder", help="where SeaweedFS keeps its data: twice the largest object, and as much again for a moment")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PROGRAM", help="another build of the function, in turns")
    arguments = parser.parse_args()
    builds = {"hookwork": arguments.hookwork} | dict(named.split("=", 1) for named in arguments.also)
    folder = pathlib.Path(tempfile.mkdtemp(dir=arguments.folder))
    rows, peaks = [], []
    try:
        weed = Weed(folder, arguments.tls)
        try:
            for mib in arguments.mib:
                key = f"object-{mib}"
                made = Generated(mib)
                weed.s3.upload_fileobj(made, "origin", key)
                runs = {name: [] for name in builds}
                for _ in range(arguments.n):
                    for name, program in builds.items():
                        runs[name].append(one_run(os.path.abspath(program), weed, folder, key, mib))
                        if weed.digest("backup", key) != made.hash.hexdigest():
                            sys.exit(f"{name}: the copy of {mib} MiB differs")
                for name, of in runs.items():
                    each = {field: [run[field] for run in of] for field in of[0]}
                    peaks += each["peak"]
                    gib = statistics.median(each["cpu"]) * 1024 / mib
                    whole = lambda field: f"{statistics.median(each[field]):.2f}"
                    peak = f"{statistics.median(each['peak']):.1f} ({min(each['peak']):.1f}..{max(each['peak']):.1f})"
                    quiet = f"{sum(each['quiet'])}/{len(of)}"
                    rows.append([f"{name}: {mib} MiB", peak, f"{statistics.median(each['started']):.1f}", f"{gib:.2f}", whole("wall"), whole("weed"), "equal", quiet])
                    print(rows[-1], file=sys.stderr)
                for bucket in ("origin", "backup"):
                    weed.s3.delete_object(Bucket=bucket, Key=key)
        finally:
            weed.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nSeaweedFS on loopback, {'TLS' if arguments.tls else 'plain'}; medians of {arguments.n}; peak with its smallest and largest")
    table(["object", "peak MiB", "before MiB", "CPU s per GiB", "wall s", "SeaweedFS CPU s", "bytes", "idle"], rows)
    if max(peaks) >= arguments.limit:
        sys.exit(f"\nThe function took {max(peaks):.1f} MiB: {arguments.limit:g} is the limit")


if __name__ == "__main__":
    main()
