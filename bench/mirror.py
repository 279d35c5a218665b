#!/usr/bin/env python3
"""The function beside other programs that mirror the same objects: time, CPU, memory.

    .venv/bin/python bench/mirror.py HOOKWORK MEMS3 [ROW...] [-n ROUNDS] [--also NAME=PROGRAM]

The built function runs under the real runtime interface emulator, a new process each time unless a row says otherwise; a
peer is a new process too. Origin and backup are bench/mems3, in memory, or SeaweedFS on disk. All take turns, round by round,
each on an idle machine after one round that is not counted. A run beside which other processes took more than 15 % of a
processor is left out where at least half of the runs stay; else the row says *noisy*. The first copy of each is compared with the
original byte for byte. Ends with 1 if the function failed, or a copy differs.
"""

import argparse
import concurrent.futures
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import peers
from function import LIM, Function, created
from machine import Meter, cpu_seconds, markdown, status_of, wait_until_idle
from mems3 import Mems3
from rows import GIB, MIB, ROWS
from weed import Weed

FOREIGN = 0.15


def measured(function, event, store):
    """One delivery: its process's start included where there is none yet."""
    meter = Meter(store.pid)
    before = cpu_seconds(function.pid()) if function.started else 0.0
    emulator, began = cpu_seconds(function.emulator.pid), time.monotonic()
    function.mirror(event)
    wall = time.monotonic() - began
    cpu = cpu_seconds(function.pid()) - before
    _, server, foreign = meter.read(cpu + cpu_seconds(function.emulator.pid) - emulator)
    return {"wall": wall, "cpu": cpu, "peak": status_of(function.pid(), "VmHWM") / 1024, "exact": True, "server": server, "foreign": foreign / wall}


def of_function(program, row, store, kept):
    """A run of the function. A warm row's process is kept from round to round."""
    memory = row.share or 1769
    if row.warm:
        if program not in kept:
            kept[program] = Function(program, store, memory, row.share)
            kept[program].start()
        return measured(kept[program], created(*row.keys()), store)
    if row.at_once > 1:
        return at_once(program, row, store)
    function = Function(program, store, memory, row.share)
    try:
        return measured(function, created(*row.keys()), store)
    finally:
        function.stop()


def at_once(program, row, store):
    """Many deliveries for one key, each in a function of its own: that is how Lambda runs them."""
    functions = []
    try:
        for _ in range(row.at_once):
            functions.append(Function(program, store))
            functions[-1].start()
        meter, began = Meter(store.pid), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(row.at_once) as pool:
            answers = list(pool.map(lambda function: function.invoke(created(*row.keys())), functions))
        wall = time.monotonic() - began
        failed = sum(answer.get("statusCode") != 200 for answer in answers)
        cpu = sum(cpu_seconds(function.pid()) for function in functions)
        peak = max(status_of(function.pid(), "VmHWM") / 1024 for function in functions)
        _, server, foreign = meter.read(cpu)
        return {"wall": wall, "cpu": cpu, "peak": peak, "exact": True, "server": server, "foreign": foreign / wall, "errors": failed}
    finally:
        for function in functions:
            function.stop()


def of_peer(peer, row, store):
    return peers.run(peer, store, row.keys(), row.at_once, row.share)


def measure(name, row, arguments, store):
    """All rounds of a row. Returns the runs of each."""
    programs = {"hookwork": arguments.hookwork} | dict(named.split("=", 1) for named in arguments.also)
    taking_part = [*programs, *(peer for peer in row.peers if peers.PEERS[peer].installed() and not arguments.alone)]
    for peer in row.peers:
        if peer not in taking_part and not arguments.alone:
            print(f"{name}: {peer} is not installed", file=sys.stderr)
    for key in row.keys():
        store.generate(key, row.size)
    runs, kept = {who: [] for who in taking_part}, {}
    try:
        for number in range((arguments.n or row.rounds) + 1):
            for who in taking_part:
                store.remove("backup", row.keys())
                quiet = wait_until_idle()
                if who in programs:
                    run = of_function(os.path.abspath(programs[who]), row, store, kept)
                else:
                    run = of_peer(peers.PEERS[who], row, store)
                if "failed" in run:
                    print(f"{name}: {who} failed: {run['failed']}", file=sys.stderr)
                    continue
                if not number:
                    wrong = [key for key in row.keys() if not store.same(key)]
                    if wrong:
                        sys.exit(f"{name}: {who}: {len(wrong)} copies differ, {wrong[0]} for one")
                else:
                    runs[who].append(run | {"quiet": quiet})
                print(f"{name}: {who}: {run['wall']:.3f} s, {run['cpu']:.3f} s of CPU, {run['peak']:.1f} MiB", file=sys.stderr)
    finally:
        for function in kept.values():
            function.stop()
        for bucket in ("origin", "backup"):
            store.remove(bucket, row.keys())
    return runs


def seconds(value):
    return f"{value * 1000:.2f} ms" if value < 0.1 else f"{value:.2f} s"


def report(row, runs):
    head = ["", "time (least..most)", "times ours", "CPU", "CPU times ours", "peak MiB", "servers' CPU", "runs"]
    bytes_in_all = row.size * row.count
    if bytes_in_all >= 256 * MIB:
        head.insert(4, "CPU s per GiB")
    if row.count > 1:
        head.insert(4, "CPU ms an object")
    if row.at_once > 1:
        head.insert(4, "failed")
    ours, rows = None, []
    for who, of in runs.items():
        if not of:
            rows.append([who, "failed", *[""] * (len(head) - 2)])
            continue
        clean = [run for run in of if run["foreign"] < FOREIGN]
        noisy = "" if 2 * len(clean) >= len(of) else ", noisy"
        chosen = of if noisy else clean
        middle = {field: statistics.median(run[field] for run in chosen) for field in ["wall", "cpu", "peak", "server"]}
        ours = ours or middle
        walls = [run["wall"] for run in chosen]
        cells = [who, f"{seconds(middle['wall'])} ({seconds(min(walls))}..{seconds(max(walls))})", f"{middle['wall'] / ours['wall']:.1f}", seconds(middle["cpu"])]
        if bytes_in_all >= 256 * MIB:
            cells.append(f"{middle['cpu'] * GIB / bytes_in_all:.2f}")
        if row.count > 1:
            cells.append(f"{middle['cpu'] * 1000 / row.count:.2f}")
        if row.at_once > 1:
            cells.append(f"{sum(run['errors'] for run in chosen)} of {row.at_once * len(chosen)}")
        # What a program takes seems to be at least what this one had when it started it.
        floor = status_of("self", "VmHWM") / 1024
        peak = f"{middle['peak']:.1f}" if "exact" in chosen[0] or middle["peak"] > floor + 1 else f"< {floor:.0f}"
        rows.append([*cells, f"{middle['cpu'] / ours['cpu']:.1f}", peak, seconds(middle["server"]), f"{len(chosen)} of {len(of)}{noisy}"])
    print(f"\n### {row.what}\n\n{markdown(head, rows)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hookwork")
    parser.add_argument("mems3")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("-n", type=int, help="rounds, instead of each row's own number")
    parser.add_argument("--alone", action="store_true", help="no peers")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PROGRAM", help="another build of the function, in turns")
    parser.add_argument("--limit", type=float, help="what the function's memory must stay under, in MiB")
    parser.add_argument("--folder", help="where SeaweedFS and the peers keep their files")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if arguments.folder:
        tempfile.tempdir = arguments.folder
    chosen = arguments.rows or [name for name, row in ROWS.items() if row.usual]
    print(f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release()}, loopback; medians of runs that took turns")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            row = ROWS[name]
            if row.share and subprocess.run([LIM, str(row.share), "true"], stderr=subprocess.DEVNULL).returncode:
                print(f"\n### {row.what}\n\nNot measured: that needs root and version 1 of cgroups.", flush=True)
                continue
            store = Weed(folder, row.tls) if row.weed else Mems3(os.path.abspath(arguments.mems3), folder, row.tls, row.far)
            try:
                runs = measure(name, row, arguments, store)
            finally:
                store.stop()
            report(row, runs)
            most = max(run["peak"] for run in runs["hookwork"])
            if arguments.limit and most >= arguments.limit:
                sys.exit(f"\nThe function took {most:.1f} MiB: {arguments.limit:g} is the limit")
    # Where a row made one; empty by now.
    with contextlib.suppress(OSError):
        os.rmdir("/sys/fs/cgroup/cpu/lambda-share")


if __name__ == "__main__":
    main()
