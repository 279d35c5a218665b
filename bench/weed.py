"""SeaweedFS, a real S3 server on disk, as origin and backup at once."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import urllib.request

from function import KEY, SECRET, TOOLS
from machine import ROOT
from ports import free_ports, listens, wait_for

MIB = 1 << 20


class Generated:
    """A file of any size without a place on the disk: no two of its mebibytes are equal, and none compresses."""

    def __init__(self, size):
        self.left, self.number, self.block = size, 0, random.Random(size).randbytes(MIB)
        self.hash = hashlib.sha256()

    def read(self, size):
        pieces = []
        for _ in range(max(1, size // MIB)):
            pieces.append((self.number.to_bytes(8, "big") + self.block[8:])[: self.left])
            self.number, self.left = self.number + 1, self.left - len(pieces[-1])
            self.hash.update(pieces[-1])
        return b"".join(pieces)


class Weed:
    """SeaweedFS, its data in a folder of its own inside of `folder`."""

    def __init__(self, folder, tls):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        master, volume, filer, s3, https = free_ports(5)
        identity = {"name": "bench", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (self.folder / "data").mkdir()
        command = [TOOLS / "weed", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder / 'data'}", "-s3", f"-s3.config={self.folder / 's3.json'}"]
        command += [f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}", "-s3.port.lance=0", "-s3.port.iceberg=0"]
        command += ["-master.telemetry=false", "-volume.max=60", "-master.volumeSizeLimitMB=1024"]
        self.ca = None
        if tls:
            subprocess.run([sys.executable, ROOT / "tests/tls_server.py", self.folder, "--certificates-only"], check=True)
            command += [f"-s3.port.https={https}", f"-s3.cert.file={self.folder / 'server.pem'}", f"-s3.key.file={self.folder / 'server.key'}"]
            self.ca = self.folder / "ca.pem"
        self.endpoint = f"https://127.0.0.1:{https}" if tls else f"http://127.0.0.1:{s3}"
        self.hashes = {}
        environment = os.environ | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "2"}
        with open(self.folder / "weed.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        # Here, because what this process takes is the least that a program started by it seems to take.
        import boto3
        from botocore.config import Config

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

    @property
    def pid(self):
        return self.process.pid

    def generate(self, key, size):
        """Puts an object into the origin."""
        made = Generated(size)
        self.s3.upload_fileobj(made, "origin", key)
        self.hashes[key] = made.hash.hexdigest()

    def remove(self, bucket, keys):
        for key in keys:
            self.s3.delete_object(Bucket=bucket, Key=key)

    def same(self, key):
        """Whether the backup has the object, byte for byte."""
        digest = hashlib.sha256()
        for piece in self.s3.get_object(Bucket="backup", Key=key)["Body"].iter_chunks(4 * MIB):
            digest.update(piece)
        return digest.hexdigest() == self.hashes[key]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
