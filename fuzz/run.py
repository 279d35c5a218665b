#!/usr/bin/env python3
"""Runs every target for so long, and writes what came of it into docs/fuzzing.md.

    FUZZ_SECONDS=60 .venv/bin/python fuzz/run.py [TARGET…]

Ends with 1 where a target has failed; the input that did it is in fuzz/artifacts. Only a run of all targets writes the page.
An input may take five seconds; a process may have 256 MiB, and what is Rust of it 32 MiB (fuzz/src/lib.rs), whatever the input.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

import seeds

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
# As long as the longest seed, and some: what is longer is slower to change, not harder to read.
LONGEST = 16 * 1024
LIMITS = ["-timeout=5", "-rss_limit_mb=256", f"-max_len={LONGEST}"]


def targets():
    return sorted(path.stem for path in (HERE / "fuzz_targets").glob("*.rs"))


def says(target):
    first = (HERE / "fuzz_targets" / f"{target}.rs").read_text().split("\n\n")[0]
    return " ".join(line.removeprefix("//!").strip() for line in first.splitlines() if line.startswith("//! ") or line == "//!").split(". ")[0].rstrip(".")


def run(target):
    corpus = HERE / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds.of(target)):
        (corpus / f"seed-{number:03}").write_bytes(seed.encode("utf-8", "surrogatepass"))
    words = HERE / "corpus" / "words"
    words.write_text(seeds.dictionary())
    # Without a sanitizer: there is no unsafe code here, and so it runs on any toolchain, at full speed.
    command = ["cargo", "fuzz", "run", "-s", "none", target, "--", *LIMITS, f"-max_total_time={SECONDS}", f"-dict={words}", "-print_final_stats=1"]
    started = time.monotonic()
    # A backtrace would want more memory than there is, and hang.
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, timeout=20 * SECONDS + 3600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    figures = dict(re.findall(r"stat::(\w+):\s+(\d+)", ran.stdout))
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", ran.stdout)
    if ran.returncode != 0:
        print(ran.stdout[-6000:])
    return {
        "failed": ran.returncode != 0,
        "seconds": round(time.monotonic() - started),
        "executions": int(figures.get("number_of_executed_units", 0)),
        "rate": int(figures.get("average_exec_per_sec", 0)),
        "slowest": int(figures.get("slowest_unit_time_sec", 0)),
        "memory": int(figures.get("peak_rss_mb", 0)),
        "edges": int(covered[-1][0]) if covered else 0,
        "inputs": int(covered[-1][2]) if covered else 0,
    }


def page(found):
    rows = "".join(
        f"| `{target}` | {says(target)} | {one['executions']:,} | {one['seconds']} s | {one['rate']:,} | {one['edges']:,} | {one['inputs']:,} | {one['memory']} MiB | {'yes' if one['failed'] else 'none'} |\n"
        for target, one in found.items()
    )
    total = sum(one["executions"] for one in found.values())
    minutes = sum(one["seconds"] for one in found.values()) / 60
    return f"""# Fuzzing

Written by `FUZZ_SECONDS={SECONDS} make fuzz`: {total:,} executions in {minutes:.0f} minutes on this run, one process at a time, from the seeds of
`fuzz/seeds.py` and the inputs that earlier runs on the same machine have found.

| target | what it reads | executions | took | a second | edges | inputs kept | peak memory | failed |
|---|---|---|---|---|---|---|---|---|
{rows}
A target fails where it panics, where an input takes five seconds, where the process has more than 256 MiB, where what is Rust of it has more
than 32 MiB at any moment, or where what it asserts is not so: nobody without the secret is believed, whatever is written can be read again, no
key is longer than any can be. Inputs are up to {LONGEST // 1024} KiB.

Not fuzzed: what is outside of `src/domain`. Of that only the reading of Lambda's events faces senders, behind a gateway that writes them; a
property test in `src/lambda.rs` gives it any strings. Answers of remote services are read by the SDK, too: `tests/it/answers.rs` changes answers of
stores, Secrets Manager, SQS and intdash at random and reads each as that of sixteen calls, in memory; `ANSWERS_SECONDS=300` lets it go on for so long.
"""


def main():
    wanted = sys.argv[1:] or targets()
    found = {}
    for target in wanted:
        found[target] = run(target)
        print(f"{target}: {found[target]}", flush=True)
    if wanted == targets():
        (ROOT / "docs/fuzzing.md").write_text(page(found))
    sys.exit(any(one["failed"] for one in found.values()))


main()
