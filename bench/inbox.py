#!/usr/bin/env python3
"""What the inbox costs with 100,000 recorded deliveries: the first page, a filter, the live tail; and recording itself.

    .venv/bin/python bench/inbox.py HOOKWORK [--deliveries 100000] [--mems3 MEMS3]

SeaweedFS, on this machine's disk, keeps the deliveries; the function is asked as Lambda asks it (this script is its Runtime API). The
receiver answers deliveries of one record with a queue that is 10 ms away and with MEMS3, whose answers come after 10 ms, too, as its
state bucket. Ends with 1 where a figure is beyond what docs/measurements.md states.
"""

import argparse
import base64
import concurrent.futures
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.parse
import uuid

from cold_start import Started
from function import KEY, SECRET
from machine import markdown, wait_until_idle
from mems3 import Mems3
from receiver import Queue, Receiver, event
from weed import Weed

TOKEN = "a-token-of-the-inbox"
RUNS = 40
# Calls to the store that docs/measurements.md states.
CALLS = {"first page": 2, "older page": 2, "one source": 2, "live tail": 2, "one in a thousand, 200 wanted": 8, "nothing, a search to its bound": 8}


def names(count):
    """Names as src/domain/inbox.rs writes them: one delivery a second, every tenth refused, one in a thousand of another source."""
    now = int(time.time() * 1000)
    for number in range(count):
        ms = now - number * 1000
        value = ms << 80 | 7 << 76 | 2 << 62 | number
        group = f"{(1 << 48) - 1 - ms:012x}-{uuid.UUID(int=value)}"
        verdict = "unauthentic" if number % 10 == 0 else "accepted"
        source = "rare" if number % 1000 == 0 else "vk"
        title = base64.urlsafe_b64encode(f"photos/{number:06}.jpg".encode()).decode().rstrip("=")
        folder = "strangers" if verdict == "unauthentic" else "deliveries"
        yield f"{folder}/{group}/0.{verdict}.{source}.300.1.{number:016x}.{title}"


def fill(weed, count):
    weed.s3.create_bucket(Bucket="state")
    put = lambda name: weed.s3.put_object(Bucket="state", Key=name, Body=b"")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, _ in enumerate(pool.map(put, names(count)), 1):
            if number % 10_000 == 0:
                print(f"{number} deliveries", file=sys.stderr)


def asked(query):
    """An event of an HTTP API that asks for the list."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    context = {"domainName": "x.example", "stage": "$default", "timeEpoch": int(time.time() * 1000), "http": {"method": "GET", "path": "/inbox/api/deliveries", "sourceIp": "192.0.2.1", "protocol": "HTTP/1.1", "userAgent": ""}}
    event = {"version": "2.0", "routeKey": "$default", "rawPath": "/inbox/api/deliveries", "rawQueryString": urllib.parse.urlencode(query), "headers": headers, "requestContext": context, "isBase64Encoded": False}
    return json.dumps(event).encode()


def look(function, query):
    answer, took, cpu = function.invoke(asked(query))
    if answer["statusCode"] != 200:
        sys.exit(f"the inbox: {answer}")
    return json.loads(answer["body"]), took * 1000, cpu * 1000


def lists(program, weed, count):
    settings = {
        "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL_S3": weed.endpoint, "STATE_BUCKET": "state",
        "BACKUP_BUCKET": "backup", "SOURCES": json.dumps({"vk": {"kind": "s3", "flavor": "vk", "endpoint": weed.endpoint, "region": "ru-msk", "buckets": {"mcs0/origin": {}}}}),
        "SECRETS": json.dumps({"vk": {}, "inbox": {"token": TOKEN}}), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    }
    settings |= {f"AWS_LAMBDA_{name}": "bench" for name in ["FUNCTION_NAME", "LOG_GROUP_NAME", "LOG_STREAM_NAME"]} | {"AWS_LAMBDA_FUNCTION_VERSION": "1"}
    function = Started(os.path.abspath(program), settings)
    rows, wrong = [], []
    try:
        first, _, _ = look(function, {})
        questions = {
            "first page": {}, "older page": {"before": first["before"]}, "one source": {"source": "vk"}, "live tail": {"limit": 20},
            "one in a thousand, 200 wanted": {"source": "rare", "limit": 200}, "nothing, a search to its bound": {"text": "no such text"},
        }
        for name, query in questions.items():
            found = [look(function, query) for _ in range(RUNS)]
            answers, times, cpu = zip(*found)
            calls = max(answer["calls"] for answer in answers)
            p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
            rows.append([name, f"{len(answers[0]['deliveries'])}", f"{answers[0]['searched']}", f"{calls}", f"{p50:.0f} / {p99:.0f}", f"{statistics.median(cpu):.0f}"])
            if count >= 100_000 and calls != CALLS[name]:
                wrong.append(f"{name}: {calls} calls, expected {CALLS[name]}")
            if p50 > (most := 1000 if CALLS[name] == 1 else 5000):
                wrong.append(f"{name}: {p50:.0f} ms, expected {most} at most")
    finally:
        function.stop()
    print(markdown([f"{count} deliveries", "found", "looked at", "calls", "p50 / p99 in ms", "CPU ms"], rows))
    return wrong


def recording(program, mems3):
    queue, rows = Queue(10), []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, more in {
                "without a state bucket": lambda store: {},
                "RECORD=nothing": lambda store: {"RECORD": "nothing"},
                "RECORD=all": lambda store: {},
            }.items():
                store = Mems3(mems3, folder, False, delay=10)
                state = {} if name == "without a state bucket" else {"STATE_BUCKET": "state", "AWS_ENDPOINT_URL_S3": store.endpoint}
                receiver = Receiver(program, queue, state | more(store))
                idle = wait_until_idle()
                cells = []
                for records in (1, 100):
                    delivery = event(records)
                    times = [receiver.deliver(delivery, records) * 1000 for _ in range(205)][5:]
                    cells.append(f"{statistics.median(times):.1f} / {statistics.quantiles(times, n=100)[98]:.1f}")
                rows.append([name, *cells, "yes" if idle else "no"])
                receiver.stop()
                store.stop()
    finally:
        queue.stop()
    print(markdown(["receiver, p50 / p99 in ms", "1 record", "100 records", "idle"], rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hookwork")
    parser.add_argument("--deliveries", type=int, default=100_000)
    parser.add_argument("--mems3", help="bench/mems3, built")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weed = Weed(folder, False)
        try:
            fill(weed, arguments.deliveries)
            wrong = lists(arguments.hookwork, weed, arguments.deliveries)
        finally:
            weed.stop()
    if arguments.mems3:
        recording(arguments.hookwork, arguments.mems3)
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
