#!/usr/bin/env python3
"""One object larger than an invocation carries: mirrored across deadlines and kills, and compared byte for byte.

    .venv/bin/python bench/giant.py HOOKWORK [--gib 20] [--kills 3] [--folder FOLDER]

The built function runs under the real runtime interface emulator, SeaweedFS on disk is origin, backup and state. Every
invocation is a request of now, so that the function has to stop before the gateway would, some 26 s later; some are killed
(SIGKILL) at a random moment instead. Ends with 1 if the copy differs, if an invocation lost more than the parts on their way,
if a part that the ledger vouched for was copied again, or if anything is left behind. Needs twice the object on the disk.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

from function import Function, created
from machine import status_of, table
from weed import Weed

GIB = 1 << 30
KEY = "giant"
# Of Limits in src/transfer.rs.
PARTS_IN_FLIGHT = 16


def hint():
    """A request of this moment: the gateway waits for it."""
    event = json.loads(created(KEY))
    event["requestContext"]["timeEpoch"] = int(time.time() * 1000)
    return json.dumps(event).encode()


def ledger(store):
    """What the ledger says: the upload's id, the parts that stand, and all of them."""
    listed = store.s3.list_objects_v2(Bucket="state").get("Contents", [])
    if not listed:
        return None, set(), None
    file = json.load(store.s3.get_object(Bucket="state", Key=listed[0]["Key"])["Body"])
    return file["upload"], {part[0] for part in file["parts"]}, file


def stored(store, upload):
    """The numbers of the parts that the backup has."""
    pages = store.s3.get_paginator("list_parts").paginate(Bucket="backup", Key=KEY, UploadId=upload)
    return {part["PartNumber"] for page in pages for part in page.get("Parts", [])}


def kill_later(function, seconds):
    def kill():
        time.sleep(seconds)
        os.kill(function.pid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hookwork")
    parser.add_argument("--gib", type=float, default=20)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--folder", help="where SeaweedFS keeps its data")
    arguments = parser.parse_args()
    size, chance = int(arguments.gib * GIB), random.Random(1)
    folder = pathlib.Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        store = Weed(folder, False)
        try:
            store.s3.create_bucket(Bucket="state")
            began = time.monotonic()
            store.generate(KEY, size)
            print(f"{arguments.gib:g} GiB put into the origin in {time.monotonic() - began:.0f} s", file=sys.stderr)
            run(arguments, store, size, chance)
            began = time.monotonic()
            if not store.same(KEY):
                sys.exit("the copy differs")
            print(f"The copy equals the original, byte for byte (SHA-256, read in {time.monotonic() - began:.0f} s).")
        finally:
            store.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(arguments, store, size, chance):
    function, rows, ends, lost_most, peak = Function(arguments.hookwork, store, more={"STATE_BUCKET": "state"}), [], [], 0, 0
    part = 0
    try:
        while not ends or ends[-1] != "done":
            upload, before, _ = ledger(store)
            # Not the first, which begins it; every other one, so that deadlines come between.
            kill = len(ends) % 2 == 1 and ends.count("killed") < arguments.kills
            # The emulator starts a new process for what comes after a death.
            function.start()
            if kill:
                kill_later(function, chance.uniform(5, 20))
            began = time.monotonic()
            answer = function.invoke(hint())
            took = time.monotonic() - began
            if "statusCode" in answer:
                peak = max(peak, status_of(function.pid(), "VmHWM") / 1024)
            ends.append("done" if answer.get("statusCode") == 200 else "deadline" if answer.get("statusCode") == 500 else "killed")
            upload, after, file = ledger(store)
            # Parts that arrived and that nobody vouches for: they go over once more.
            lost = len(stored(store, upload) - after) if upload else 0
            lost_most = max(lost_most, lost)
            if ends[-1] == "done":
                line = next(json.loads(line) for line in reversed(function.log) if b'"copied_bytes"' in line)
                copied = line.get("fields", line)["copied_bytes"]
                missing = size - sum(min(part, size - (number - 1) * part) for number in before)
                if copied != missing:
                    sys.exit(f"the last attempt carried {copied} bytes, {missing} were missing")
            else:
                part = file["part_size"]
                if not before <= after:
                    sys.exit("a part that stood was lost")
            rows.append([str(len(ends)), ends[-1], f"{took:.1f}", str(len(before)), str(len(after)) if file else "all", str(lost)])
            print(rows[-1], file=sys.stderr)
            if ends[-1] == "deadline" and took > 29:
                sys.exit("an invocation went on after its deadline")
            if len(ends) > 100:
                sys.exit("no end")
    finally:
        function.stop()
    open_uploads = store.s3.list_multipart_uploads(Bucket="backup").get("Uploads", [])
    left = store.s3.list_objects_v2(Bucket="state").get("KeyCount", 0)
    print()
    table(["invocation", "ended", "s", "parts before", "parts after", "arrived unvouched"], rows)
    print(f"\n{ends.count('deadline')} deadlines, {ends.count('killed')} kills; at most {lost_most} parts arrived in vain in one of them; peak memory {peak:.1f} MiB; {len(open_uploads)} uploads and {left} ledgers left")
    if lost_most > PARTS_IN_FLIGHT or open_uploads or left or ends.count("killed") < arguments.kills:
        sys.exit("not as it should be")


if __name__ == "__main__":
    main()
