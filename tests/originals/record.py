#!/usr/bin/env python3
"""What the two programs that this one replaces answer to every request of table.py, into tests/data/originals.json.

    S3_WEBHOOK=<checkout> INTDASH_EXAMPLE=<checkout> .venv/bin/python tests/originals/record.py

Needs Go, and checkouts of RomanenkoDenys/s3-webhook and aptpod/intdash-webhook-example; none of their source is kept here.

s3-webhook is built and run as it is, with a script that notes how it is called. intdash-webhook-example is built from its own
files, none of its lines changed; the AWS packages that it imports are those of tests/originals/go, which hand it events from
standard input and keep what it publishes. Its secret is a file that the build embeds, so it is built once for each.
"""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import table

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent / "data" / "originals.json"
SCRIPT = """#!{python}
import json, os, sys
bucket, key, action = sys.argv[1:]
fails = key in json.load(open({folder!r} + "/fails"))
with open({folder!r} + "/calls", "a") as calls:
    calls.write(json.dumps([bucket, key, action, "failed" if fails else "done"]) + "\\n")
sys.exit(3 if fails else 0)
"""
# Where the packages of tests/originals/go stand in the tree that Go looks them up in.
PACKAGES = {
    "events": "aws-lambda-go/events",
    "lambda": "aws-lambda-go/lambda",
    "aws": "aws-sdk-go-v2/aws",
    "config": "aws-sdk-go-v2/config",
    "sns": "aws-sdk-go-v2/service/sns",
}


def checkout(variable):
    """The checkout that a variable names, and what is recorded of where it came from."""
    if not os.environ.get(variable):
        sys.exit(f"{variable}: expected the path of a checkout; see the top of {pathlib.Path(__file__).name}")
    return pathlib.Path(os.environ[variable]).resolve()


def provenance(folder, repository, files):
    commit = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    return {
        "repository": repository,
        "commit": commit,
        "sha256": {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files},
    }


def go_build(folder, out, gopath, files=()):
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(gopath), "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", out, *files], cwd=folder, env=environment, check=True)


def body_of(row):
    request = row["request"]
    return base64.b64decode(request["body_base64"]) if "body_base64" in request else request.get("body", "").encode()


def record_s3_webhook(rows, work):
    folder = checkout("S3_WEBHOOK")
    go_build(folder, work / "s3-webhook", work / "none", ["s3-webhook.go"])
    script = work / "script"
    script.write_text(SCRIPT.format(python=sys.executable, folder=str(work)))
    script.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(
        [work / "s3-webhook", "-address", "127.0.0.1", "-port", str(port), "-script", script], stdout=quiet, stderr=quiet
    )
    try:
        for _ in range(200):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        for row in rows:
            (work / "fails").write_text(json.dumps(row["fails"]))
            (work / "calls").write_text("")
            request = row["request"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.putrequest(request["method"], request["path"], skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": request["host"], **request["headers"]}.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body_of(row))))
            connection.endheaders(body_of(row))
            answer = connection.getresponse()
            row["original"] = {
                "status": answer.status,
                "content_type": answer.getheader("Content-Type"),
                "body": answer.read().decode(),
                "calls": [json.loads(line) for line in (work / "calls").read_text().splitlines()],
            }
    finally:
        server.terminate()
        server.wait()
    return provenance(folder, "RomanenkoDenys/s3-webhook", ["s3-webhook.go"])


def record_intdash_example(rows, work):
    folder = checkout("INTDASH_EXAMPLE")
    names = ["handler.go", "intdash_api_stub.go", "main.go"]
    gopath = work / "go"
    for package, place in PACKAGES.items():
        (gopath / "src/github.com/aws" / place).mkdir(parents=True)
        shutil.copy(HERE / "go" / f"{package}.go", gopath / "src/github.com/aws" / place)
    programs = {}
    for number, secret in enumerate(sorted({row["secret_file"] for row in rows})):
        own = gopath / f"src/example{number}"
        own.mkdir()
        for name in names:
            shutil.copy(folder / "hello-world" / name, own)
        shutil.copy(HERE / "go" / "zz_points.go", own)
        (own / "intdash-webhook-secret").write_text(secret)
        programs[secret] = work / f"example{number}"
        go_build(own, programs[secret], gopath)
    for row in rows:
        request = row["request"]
        event = {
            "path": request["path"],
            "httpMethod": request["method"],
            "headers": request["headers"],
            "body": request["body"],
            "isBase64Encoded": request["base64"],
        }
        case = {"event": event, "points": row["points"]}
        case |= {name: row[name] for name in ("publishing_fails", "reading_fails")}
        ran = subprocess.run(
            [programs[row["secret_file"]]],
            input=json.dumps(case),
            env={"SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:notices"},
            capture_output=True,
            text=True,
            check=True,
        )
        row["original"] = json.loads(ran.stdout)
        # The right signature, in the program's own log: whoever reads it can sign that body.
        row["original"]["logs_the_signature"] = row["right_signature_hex"] in ran.stderr
        row["original"]["logs_the_body"] = bool(request["body"]) and request["body"] in ran.stderr
    return provenance(folder, "aptpod/intdash-webhook-example", [f"hello-world/{name}" for name in names])


def main():
    recorded = {}
    programs = {"s3-webhook": record_s3_webhook, "intdash-webhook-example": record_intdash_example}
    for program, record in programs.items():
        rows = table.ROWS[program]
        with tempfile.TemporaryDirectory() as work:
            came_from = record(rows, pathlib.Path(work))
        recorded[program] = {"from": came_from, "rows": rows}
        print(f"{program}: {len(rows)} requests")
    OUT.write_text(json.dumps({"reasons": table.REASONS, "programs": recorded}, indent=1, ensure_ascii=False) + "\n")


main()
