"""`bench/mems3`, an S3 endpoint in memory, as origin and backup at once."""

import http.client
import pathlib
import ssl
import subprocess
import sys

from machine import ROOT

# What AWS's own transfer manager plans with: 30 ms to the first byte, 90 MB a second for each GET, 20 for each PUT.
FAR = ["--delay-ms", "30", "--down-bps", "90000000", "--up-bps", "20000000"]


class Mems3:
    def __init__(self, program, folder, tls, far=False, delay=None):
        command = [program, *(FAR if far else []), *(["--delay-ms", str(delay)] if delay else [])]
        self.ca = None
        if tls:
            folder = pathlib.Path(folder)
            if not (folder / "ca.pem").exists():
                subprocess.run([sys.executable, ROOT / "tests/tls_server.py", folder, "--certificates-only"], check=True)
            self.ca = folder / "ca.pem"
            command += ["--certificate", folder / "server.pem", "--key", folder / "server.key"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.port = int(self.process.stdout.readline())
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.connection = None

    @property
    def pid(self):
        return self.process.pid

    def request(self, method, path):
        if self.connection is None:
            if self.ca:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=ssl.create_default_context(cafile=self.ca))
            else:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        self.connection.request(method, path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status >= 300:
            sys.exit(f"mems3: {method} {path}: {answer.status}")
        return body

    def generate(self, key, size):
        """Puts an object into the origin, of bytes that the server makes when they are asked for."""
        self.request("POST", f"/-/generate/origin/{key}?size={size}")

    def remove(self, bucket, keys):
        for key in keys:
            self.request("POST", f"/-/remove/{bucket}/{key}")

    def same(self, key):
        """Whether the backup has the object, byte for byte."""
        return self.request("GET", f"/-/same/backup/{key}?as=origin/{key}") == b"true"

    def stop(self):
        self.process.terminate()
        self.process.wait()
