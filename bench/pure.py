#!/usr/bin/env python3
"""The results of `cargo bench` as a table: `pure.py FOLDER`, the folder `criterion` in the target directory."""

import json
import pathlib
import statistics
import sys

from machine import markdown


def shown(nanoseconds):
    for unit, factor in [("ns", 1), ("us", 1e3), ("ms", 1e6)]:
        if nanoseconds < 1000 * factor:
            return f"{nanoseconds / factor:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"


def main(folder):
    rows = []
    for path in sorted(folder.glob("**/new/sample.json")):
        name = json.loads((path.parent / "benchmark.json").read_text())["full_id"]
        sample = json.loads(path.read_text())
        times = sorted(time / count for time, count in zip(sample["times"], sample["iters"]))
        rows.append([name, shown(statistics.median(times)), shown(times[0]), shown(times[-1])])
    print(markdown(["", "median", "least", "most of 100 samples"], rows))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
