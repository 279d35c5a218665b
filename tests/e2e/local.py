#!/usr/bin/env python3
"""`sam local invoke` of every file of events/, each in a container, against the tests' own table of answers.

    make e2e-local

Uses the container engine that is there, else starts one for itself. Where Lambda's image is not there it makes a stand-in
of this machine's libraries and busybox: no Amazon Linux, but a container, sam's own way into it, and the real emulator of the
runtime. What is missing is named, and installed only by `make e2e-local INSTALL=1`, as root, on Debian.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / ".aws-sam/build/Receiver/bootstrap"
IMAGE = "public.ecr.aws/lambda/provided:al2023-x86_64"
NEEDED = {"docker": "docker.io", "dockerd": "docker.io", "busybox": "busybox-static"}
TEST = "events::container::every_file_is_answered_in_a_container"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def said(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **more).stdout.strip()


def works(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def install(needed):
    missing = sorted({package for program, package in needed.items() if not shutil.which(program, path=PATH)})
    if missing and os.environ.get("INSTALL") == "1" and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], check=True)
    elif missing:
        sys.exit(f"Missing: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)} (or, as root, make e2e-local INSTALL=1)")


@contextlib.contextmanager
def engine(folder):
    """A container engine, as DOCKER_HOST names it."""
    if works("docker", "info"):
        yield
        return
    install(NEEDED)
    if os.geteuid() != 0:
        sys.exit("No container engine answers. Start one, or be root: then one is started for this.")
    socket = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec", "--storage-driver=vfs", "-H", socket, "-p", folder / "docker.pid"]
    with open(folder / "dockerd.log", "wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        os.environ["DOCKER_HOST"] = socket
        for _ in range(300):
            if works("docker", "info"):
                break
            if daemon.poll() is not None:
                sys.exit("the container engine did not start:\n" + (folder / "dockerd.log").read_text()[-2000:])
            time.sleep(0.1)
        else:
            sys.exit("the container engine does not answer")
        yield
    finally:
        # It stops its containers, and undoes what it has mounted.
        daemon.terminate()
        daemon.wait()


@contextlib.contextmanager
def image(folder):
    """Lambda's image, or one that stands in for it meanwhile."""
    if works("docker", "image", "inspect", IMAGE):
        yield "Lambda's image"
        return
    install({"busybox": NEEDED["busybox"]})
    busybox = shutil.which("busybox", path=PATH)
    tree = folder / "root"
    for path in ("bin", "etc/ssl/certs", "tmp", "var/task", "var/runtime", "var/rapid", "opt"):
        (tree / path).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin/busybox")
    for name in said(busybox, "--list").split():
        if not (tree / "bin" / name).exists():
            (tree / "bin" / name).symlink_to("busybox")
    for line in said("ldd", BOOTSTRAP).splitlines():
        for word in line.split():
            if word.startswith("/"):
                target = tree / word.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, target)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", tree / "etc/ssl/certs")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    packed = subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE)
    changes = ["ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime PATH=/bin", "WORKDIR /var/task"]
    said("docker", "import", *(word for change in changes for word in ("--change", change)), "-", IMAGE, stdin=packed.stdout)
    packed.wait()
    try:
        yield "a stand-in of this machine's libraries for Lambda's image"
    finally:
        works("docker", "image", "rm", "--force", IMAGE)


def main():
    if not BOOTSTRAP.is_file():
        sys.exit("not built: sam build --parameter-overrides Architecture=x86_64")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    os.environ["PATH"] = PATH
    with tempfile.TemporaryDirectory(prefix="hookwork-e2e-", ignore_cleanup_errors=True) as folder:
        folder = pathlib.Path(folder)
        with engine(folder), image(folder) as what:
            bridge = said("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
            print(f"in {what}, its far sides on {bridge}", flush=True)
            command = ["cargo", "test", "--features", "dev", "--test", "it", "--", "--ignored", "--exact", TEST, "--nocapture"]
            done = subprocess.run(command, cwd=ROOT, env=os.environ | {"BRIDGE": bridge}, timeout=1800)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
