#!/usr/bin/env python3
"""How soon a delivery of 1, 100 and 1,000 records is answered: the receiver, beside the server that it replaces.

    .venv/bin/python bench/receiver.py HOOKWORK [--original S3-WEBHOOK]

The receiver queues the work (bench/sqs.py takes it, at once or after 10 ms, as a queue in the same region does); the original runs
a script for each record, here one that does nothing. Each answers one delivery at a time over a connection that stays open: the
receiver to this script as its Runtime API, as Lambda asks it; the original to HTTP. Under load there are eight of each: eight
environments of the function, as Lambda would start them, and eight connections to the one server. Latency is from the first
byte sent to the last one received. Ends with 1 where the queue has not got every record.
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from cold_start import Started
from function import created
from machine import cpu_seconds, markdown, wait_until_idle
from ports import free_ports, listens, wait_for

RECORDS = {1: 1000, 100: 300, 1000: 100}
AT_ONCE = 8
SECONDS = 4


class Queue:
    def __init__(self, milliseconds):
        (port,) = free_ports(1)
        script = pathlib.Path(__file__).parent / "sqs.py"
        self.process = subprocess.Popen([sys.executable, script, str(port), str(milliseconds)])
        wait_for("the queue listens", lambda: listens(port))
        self.url = f"http://127.0.0.1:{port}"

    def taken(self):
        return int(urllib.request.urlopen(self.url).read())

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Receiver:
    """One environment of the function."""

    def __init__(self, program, queue, more=None):
        sources = {"vk": {"kind": "s3", "flavor": "vk", "endpoint": "http://127.0.0.1:9", "region": "ru-msk", "buckets": {"mcs0000000000/origin": {}}}}
        self.function = Started(
            os.path.abspath(program),
            {
                "AWS_LAMBDA_FUNCTION_NAME": "bench",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
                "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_ENDPOINT_URL_SQS": queue.url,
                "QUEUE_URL": f"{queue.url}/123456789012/jobs",
                "SOURCES": json.dumps(sources),
                "SECRETS": json.dumps({"vk": {}}),
                "BACKUP_BUCKET": "backup",
            }
            | (more or {}),
        )
        self.pid = self.function.pid

    def deliver(self, event, records):
        answer, took, _ = self.function.invoke(event)
        if answer["statusCode"] != 200 or json.loads(answer["body"])["queued"] != records:
            sys.exit(f"the receiver: {answer}")
        return took

    def stop(self):
        self.function.stop()


class Original:
    """One connection to the server."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.connect()

    def deliver(self, event, records):
        body = json.loads(event)["body"].encode() if isinstance(event, bytes) else event
        began = time.perf_counter()
        self.connection.request("POST", "/webhook", body)
        answer = self.connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            sys.exit(f"the original: {answer.status} {text}")
        return took

    def stop(self):
        self.connection.close()


def event(records):
    return created(*(f"photos/{number:06}.jpg" for number in range(records)))


def latency(one, records):
    delivery = event(records)
    if isinstance(one, Original):
        delivery = json.loads(delivery)["body"]
    for _ in range(5):
        one.deliver(delivery, records)
    return [one.deliver(delivery, records) * 1000 for _ in range(RECORDS[records])]


def load(all_of_them):
    """How many deliveries of one record are answered in a second."""
    delivery = event(1)
    counts, ends = [0] * len(all_of_them), time.monotonic() + SECONDS

    def work(number, one):
        body = json.loads(delivery)["body"] if isinstance(one, Original) else delivery
        while time.monotonic() < ends:
            one.deliver(body, 1)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(all_of_them)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return sum(counts)


def percentiles(times):
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def measure(name, begin, pids, expected=None):
    """The cells of one row: p50, p99 and CPU of every size, then what it does under load."""
    cells, sent = [name], 0
    idle = wait_until_idle()
    first = begin()
    for records, times in RECORDS.items():
        spent = sum(cpu_seconds(pid) for pid in pids(first))
        took = latency(first, records)
        spent = (sum(cpu_seconds(pid) for pid in pids(first)) - spent) / (times + 5)
        p50, p99 = percentiles(took)
        cells += [f"{p50:.2f} / {p99:.2f}"]
        sent += records * (times + 5)
        print(f"{name}: {records} records: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {spent * 1000:.2f} ms of its CPU each", file=sys.stderr)
    more = [begin() for _ in range(AT_ONCE - 1)]
    answered = load([first, *more])
    sent += answered
    [one.stop() for one in [first, *more]]
    if expected and expected() != sent:
        sys.exit(f"{name}: {sent} records were sent, the queue got {expected()}")
    return [*cells, f"{answered / SECONDS:.0f}", "yes" if idle else "no"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hookwork")
    parser.add_argument("--original", default=shutil.which("s3-webhook"), help="the server that this replaces, built")
    arguments = parser.parse_args()
    rows = []
    for milliseconds in [0, 10]:
        queue = Queue(milliseconds)
        try:
            name = f"receiver, queue {milliseconds} ms away"
            rows.append(measure(name, lambda: Receiver(arguments.hookwork, queue), lambda one: [one.pid], queue.taken))
        finally:
            queue.stop()
    if arguments.original:
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "empty")
            script.write_text("#!/bin/sh\n")
            script.chmod(0o755)
            flags = ["-address", "127.0.0.1", "-port", str(port), "-script", script]
            server = subprocess.Popen([arguments.original, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_for("the original listens", lambda: listens(port))
                rows.append(measure("original, empty script", lambda: Original(port), lambda _: [server.pid]))
            finally:
                server.terminate()
                server.wait()
    else:
        print("the original is not installed: s3-webhook is not on the PATH", file=sys.stderr)
    print(markdown(["p50 / p99 in ms", *(f"{records} records" for records in RECORDS), f"{AT_ONCE} at once: deliveries/s", "idle"], rows))


if __name__ == "__main__":
    main()
