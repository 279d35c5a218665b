"""Who else can do it: what each would run to mirror the same objects, as a shell command."""

import dataclasses
import os
import shutil
import subprocess
import tempfile
import time

from function import KEY, LIM, SECRET
from machine import Meter

TUNED = (
    "--s3-no-check-bucket --s3-no-head --ignore-checksum --s3-disable-checksum --s3-upload-concurrency 8 --s3-chunk-size 16M --s3-upload-cutoff 16M"
    " --multi-thread-cutoff 64M --multi-thread-streams 8 --multi-thread-chunk-size 16M --no-check-dest --s3-use-unsigned-payload true"
)


@dataclasses.dataclass
class Peer:
    """One object's command, and that of a thousand under a prefix where it has one. `{ca}` is there only with TLS."""

    program: str
    one: str
    many: str | None
    ca: str = ""

    def installed(self):
        return shutil.which(self.program)

    def command(self, store, key, count, temp):
        template = self.one if count == 1 else self.many
        ca = self.ca.format(ca=store.ca) if store.ca else ""
        return template.format(url=store.endpoint, key=key, prefix=key.split("/")[0], temp=temp, ca=ca, access=KEY, secret=SECRET)


# As the script that this function replaces did it: down to a file named after bucket and key, and up again.
SCRIPT = "aws --endpoint-url {url} s3 cp --quiet s3://origin/{key} {temp}/origin/{key} && aws --endpoint-url {url} s3 cp --quiet {temp}/origin/{key} s3://backup/{key}"
SYNC = "aws --endpoint-url {url} s3 sync --quiet s3://origin/{prefix} {temp}/{prefix} && aws --endpoint-url {url} s3 sync --quiet {temp}/{prefix} s3://backup/{prefix}"
RCLONE = "rclone {ca} copyto a:origin/{key} b:backup/{key}"
S5CMD = "s5cmd --log error --endpoint-url {url}"
S3SYNC = (
    "s3sync --source-endpoint-url {url} --source-access-key {access} --source-secret-access-key {secret} --source-region us-east-1 --source-force-path-style"
    " --target-endpoint-url {url} --target-access-key {access} --target-secret-access-key {secret} --target-region us-east-1 --target-force-path-style"
    " s3://origin/{prefix}/ s3://backup/{prefix}/"
)
PEERS = {
    "original script": Peer("aws", SCRIPT, None, "{ca}"),
    "aws s3 sync twice": Peer("aws", "", SYNC, "{ca}"),
    "rclone": Peer("rclone", RCLONE, "rclone {ca} copy a:origin/{prefix} b:backup/{prefix}", "--ca-cert {ca}"),
    "rclone tuned": Peer("rclone", f"{RCLONE} {TUNED}", "rclone {ca} copy a:origin/{prefix} b:backup/{prefix} --transfers 32 --checkers 32", "--ca-cert {ca}"),
    "s5cmd via a file": Peer("s5cmd", f"{S5CMD} cp s3://origin/{{key}} {{temp}}/object && {S5CMD} cp {{temp}}/object s3://backup/{{key}}", f"{S5CMD} cp 's3://origin/{{prefix}}/*' {{temp}}/ && {S5CMD} cp '{{temp}}/*' s3://backup/{{prefix}}/"),
    "s5cmd cat, pipe": Peer("s5cmd", f"{S5CMD} cat s3://origin/{{key}} | {S5CMD} pipe s3://backup/{{key}}", None),
    "s3sync": Peer("s3sync", S3SYNC, S3SYNC),
}


def environment(store):
    rclone = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": store.endpoint, "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET, "REGION": "us-east-1"}
    # Two names: within one it would ask the store to copy.
    found = {f"RCLONE_CONFIG_{remote}_{name}": value for remote in "AB" for name, value in rclone.items()} | {
        "RCLONE_CONFIG": "/dev/null",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
    }
    if store.ca:
        # The one for programs in Go and Rust; rclone fails with the other.
        found |= {"SSL_CERT_FILE": str(store.ca), "CA_OF_AWS": str(store.ca)}
    return found


def begin(peer, store, keys, share, temp):
    command = peer.command(store, keys[0], len(keys), temp)
    if peer.program == "aws" and store.ca:
        command = f'export AWS_CA_BUNDLE="$CA_OF_AWS"; {command}'
    shell = [*([LIM, str(share)] if share else []), "/bin/bash", "-o", "pipefail", "-c", command]
    return subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment(store))


def run(peer, store, keys, times, share):
    """One run, or so many at the same time, as on a machine with one folder for temporary files; start and end of the processes
    included. CPU and memory as the kernel counts them for all descendants that were waited for; memory is the largest
    process's."""
    with tempfile.TemporaryDirectory() as temp:
        meter, began = Meter(store.pid), time.monotonic()
        processes = [begin(peer, store, keys, share, temp) for _ in range(times)]
        cpu, peak, failures = 0.0, 0.0, []
        for process in processes:
            output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu += used.ru_utime + used.ru_stime
            peak = max(peak, used.ru_maxrss / 1024)
            if process.returncode:
                failures.append(output.decode(errors="replace")[-400:])
        wall = time.monotonic() - began
        _, server, foreign = meter.read(cpu)
    if times == 1 and failures:
        return {"failed": failures[0]}
    return {"wall": wall, "cpu": cpu, "peak": peak, "server": server, "foreign": foreign / wall, "errors": len(failures)}
