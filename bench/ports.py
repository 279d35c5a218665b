"""Free ports, and waiting for what listens on them."""

import os
import socket
import sys
import time


def free_ports(count):
    """Ports whose neighbours ten thousand above are free as well: SeaweedFS listens there too."""
    found = []
    for port in range(20_000 + os.getpid() % 8_000, 33_000):
        try:
            for tried in (port, port + 10_000):
                socket.create_server(("127.0.0.1", tried)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    sys.exit("no free ports")


def wait_for(what, ready, patience=60):
    started = time.monotonic()
    while not ready():
        if time.monotonic() - started > patience:
            sys.exit(f"not within {patience} s: {what}")
        time.sleep(0.01)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
