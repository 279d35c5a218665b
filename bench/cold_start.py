#!/usr/bin/env python3
"""Cold start: from exec to the first poll for work, to the first answer of /ping, and what the first TLS request costs.

    .venv/bin/python bench/cold_start.py HOOKWORK EMPTY [-n ROUNDS] [--limit MS]

The Runtime API is a socket of this script, so the times are those of the calls themselves. Rounds of the function, the
function with one bundle of root certificates instead of the system's file and folder, and the empty function take
turns, each on an idle machine; medians and quartiles. Ends with 1 if the first TLS request costs more CPU than --limit
milliseconds: the CPU-jitter entropy of aws-lc, for one, costs 30 to 50.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import sys
import tempfile
import time

from machine import ROOT, cpu_seconds, spread, table, tls_server, wait_until_idle

# Where distributions keep all root certificates in one file: Amazon Linux, Debian.
BUNDLES = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"]
EVENTS = {name: (ROOT / "events" / f"{name}.json").read_bytes() for name in ["ping", "intdash-completed", "vk-created"]}


class Started:
    """A started function, and this side of its Runtime API."""

    def __init__(self, program, environment):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        output = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)]
        if os.environ.get("SHOW"):
            output = []
        self.started = time.perf_counter()
        self.pid = os.posix_spawn(program, [program], environment | {"AWS_LAMBDA_RUNTIME_API": address}, file_actions=output)
        self.connection, self.buffer = None, b""
        assert self.request()[0].startswith(b"GET /2018-06-01/runtime/invocation/next"), "expected a poll"
        self.polled = time.perf_counter() - self.started
        self.polled_cpu = cpu_seconds(self.pid)

    def request(self):
        """The next request's first line and body."""
        if self.connection is None:
            self.connection, _ = self.listener.accept()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection.settimeout(20)
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end:
                lines = head.split(b"\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
                if fields.get(b"transfer-encoding") == b"chunked":
                    length = rest.find(b"0\r\n\r\n") + 5 if b"0\r\n\r\n" in rest else len(rest) + 1
                else:
                    length = int(fields.get(b"content-length", 0))
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return lines[0], rest[:length]
            received = self.connection.recv(65536)
            if not received:
                # The connection was dropped between two requests.
                self.connection, self.buffer = None, b""
                return self.request()
            self.buffer += received

    def invoke(self, event):
        """Answers the open poll with an event. Returns the answer, the time and the CPU time until it came."""
        deadline = int(time.time() * 1000) + 60_000
        head = f"HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: {deadline}\r\n"
        head += "lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(event)}\r\n\r\n"
        began, cpu = time.perf_counter(), cpu_seconds(self.pid)
        self.connection.sendall(head.encode() + event)
        line, body = self.request()
        took, cpu = time.perf_counter() - began, cpu_seconds(self.pid) - cpu
        assert line.split()[1].endswith(b"/response"), (line, body)
        self.connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        assert b"/invocation/next" in self.request()[0], "expected a poll"
        return json.loads(body), took, cpu

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        if self.connection:
            self.connection.close()
        self.listener.close()


def environment(tls_port, roots):
    """A usual configuration: a bucket and an intdash server, secrets inline, the role's keys as Lambda gives them."""
    far = f"https://127.0.0.1:{tls_port}"
    sources = {
        "vk": {"kind": "s3", "flavor": "vk", "endpoint": far, "region": "ru-msk", "buckets": {"mcs0000000000/origin": {"prefix": "origin/"}}},
        "intdash": {"kind": "intdash", "url": far, "trigger": ["completed", "finished"], "data": "float64/*"},
    }
    secrets = {
        "vk": {"access_key_id": "local", "secret_access_key": "local"},
        "intdash": {"secrets": ["stringstringstringstringstringst"], "api_token": "local"},
    }
    lambdas = {"NAME": "bench", "MEMORY_SIZE": "256", "VERSION": "1", "TIMEOUT": "900"}
    return {f"AWS_LAMBDA_FUNCTION_{name}": value for name, value in lambdas.items()} | {
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "AWS_ENDPOINT_URL_S3": far,
        "SOURCES": json.dumps(sources),
        "SECRETS": json.dumps(secrets),
        "BACKUP_BUCKET": "backup",
        "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:notices",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    } | roots


def one_run(program, environment, far):
    """One start, or three: each measured first request is the first of its process. Times in milliseconds."""
    run = {}

    def start():
        run["quiet"] = wait_until_idle() and run.get("quiet", True)
        return Started(program, environment)

    function = start()
    answer, took, _ = function.invoke(EVENTS["ping"])
    assert answer["statusCode"] == 200 and answer["body"] == "Pong\n", answer
    run |= {"poll": function.polled, "poll cpu": function.polled_cpu, "ping": function.polled + took}
    function.stop()
    for name in ["intdash-completed", "vk-created"] if far else []:
        function = start()
        first, took, cpu = function.invoke(EVENTS[name])
        # The intdash server has no such measurement; the bucket has no such object, so nothing is to be done.
        assert first["statusCode"] == (500 if name == "intdash-completed" else 200), first
        _, took_again, cpu_again = function.invoke(EVENTS[name])
        run |= {name: took, f"{name} cpu": cpu, f"{name} again": took_again, f"{name} again cpu": cpu_again}
        function.stop()
    return {key: value * 1000 if key != "quiet" else value for key, value in run.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hookwork")
    parser.add_argument("empty")
    parser.add_argument("-n", type=int, default=25, help="rounds")
    parser.add_argument("--limit", type=float, default=10, help="CPU milliseconds that the first TLS request may cost")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PROGRAM", help="another build of the function")
    arguments = parser.parse_args()
    bundle = next((path for path in BUNDLES if os.path.exists(path)), None)
    with tempfile.TemporaryDirectory() as folder:
        server, port = tls_server(folder)
        ca = pathlib.Path(folder, "ca.pem")
        every_root = pathlib.Path(folder, "bundle.pem")
        every_root.write_bytes(ca.read_bytes() + (pathlib.Path(bundle).read_bytes() if bundle else b""))
        as_found = {"SSL_CERT_FILE": str(every_root), "SSL_CERT_DIR": "/etc/ssl/certs"}
        peers = {
            "empty": (arguments.empty, {}, False),
            "hookwork": (arguments.hookwork, {"SSL_CERT_FILE": str(every_root)}, True),
            "hookwork, folder too": (arguments.hookwork, as_found, True),
        }
        for named in arguments.also:
            name, program = named.split("=", 1)
            peers[name] = (program, {"SSL_CERT_FILE": str(every_root)}, True)
        runs = {name: [] for name in peers}
        try:
            for number in range(arguments.n + 1):
                for name, (program, roots, far) in peers.items():
                    run = one_run(os.path.abspath(program), environment(port, roots), far)
                    # The first round brings the programs into the page cache.
                    if number:
                        runs[name].append(run)
        finally:
            server.terminate()
            server.wait()
    report(runs, arguments)


def report(runs, arguments):
    columns = {key: {name: [run[key] for run in of] for name, of in runs.items() if key in of[0]} for key in next(reversed(runs.values()))[0]}
    quiet = {name: sum(run["quiet"] for run in of) for name, of in runs.items()}
    print(f"\nn = {arguments.n}; milliseconds: median (quartiles); ratio to the empty function; runs that began on an idle machine")
    rows = []
    for name in runs:
        row = [name]
        for key in ["poll", "ping", "poll cpu"]:
            ratio = statistics.median(columns[key][name]) / statistics.median(columns[key]["empty"])
            row += [spread(columns[key][name]), f"{ratio:.2f}x"]
        rows.append([*row, f"{quiet[name]}/{arguments.n}"])
    table(["start", "first poll", "", "first /ping", "", "CPU to first poll", "", "idle"], rows)
    print()
    rows = []
    for name in runs:
        for event, what in [("intdash-completed", "1 handshake, 2 requests"), ("vk-created", "2 handshakes, 3 requests")]:
            if name in columns[event]:
                keys = [event, f"{event} cpu", f"{event} again", f"{event} again cpu"]
                rows.append([f"{name}: {what}", *(spread(columns[key][name]) for key in keys)])
    table(["first delivery over TLS", "time", "CPU", "second: time", "CPU"], rows)
    worst = statistics.median(columns["intdash-completed cpu"]["hookwork"])
    if worst > arguments.limit:
        sys.exit(f"\nThe first TLS request costs {worst:.1f} ms of CPU: more than {arguments.limit:g}")


if __name__ == "__main__":
    main()
