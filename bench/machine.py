"""What every measurement needs: a quiet machine, exact CPU times of a process, and small tables."""

import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """CPU time of a process, all its threads, to the nanosecond: the kernel's clock of that process."""
    return time.clock_gettime((~pid << 3) | 2)


def busy_seconds():
    """CPU time that the machine has spent on anything."""
    with open("/proc/stat") as stat:
        fields = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def wait_until_idle(patience=float(os.environ.get("GATE", "60"))):
    """Until hardly anything else runs, or patience ends. Returns whether it became quiet."""
    started = time.monotonic()
    while time.monotonic() - started < patience:
        before, since = busy_seconds(), time.monotonic()
        time.sleep(0.25)
        if (busy_seconds() - before) / (time.monotonic() - since) < 0.2:
            return True
    return False


class Meter:
    """What ran between its start and its reading beside the processes that were meant to."""

    def __init__(self, *pids):
        self.pids = pids
        self.began, self.busy, self.ours = time.monotonic(), busy_seconds(), self.spent()

    def spent(self):
        return sum(cpu_seconds(pid) for pid in self.pids)

    def read(self, also=0.0):
        """Time, CPU time of those processes, and CPU time of all others but for `also`, which is known to be ours too."""
        wall, ours = time.monotonic() - self.began, self.spent() - self.ours
        return wall, ours, busy_seconds() - self.busy - ours - also


def status_of(pid, field):
    """A field of /proc/PID/status in KiB: VmHWM is the most memory that the process ever had."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def children(pid):
    """The processes that a process has started, with their programs."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                found[int(child)] = os.readlink(f"/proc/{child}/exe")
            except OSError:
                pass
    return found


def spread(values, form="{:.2f}"):
    """The median, and between which two values a quarter of the runs each is cut off."""
    low, _, high = statistics.quantiles(values, n=4)
    return f"{form.format(statistics.median(values))} ({form.format(low)}..{form.format(high)})"


def table(head, rows):
    """Prints columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = [cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip(), flush=True)


def markdown(head, rows):
    """The same as a table for a document."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def tls_server(folder):
    """The HTTPS server of the tests, as a process of its own. Returns it and its port."""
    server = subprocess.Popen([sys.executable, ROOT / "tests/tls_server.py", folder], stdout=subprocess.PIPE)
    return server, int(server.stdout.readline())
