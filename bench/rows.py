"""What is measured: one row each, by name."""

import dataclasses

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ALL = ["original script", "rclone", "rclone tuned", "s5cmd via a file", "s5cmd cat, pipe", "s3sync"]
MANY = ["aws s3 sync twice", "rclone", "rclone tuned", "s5cmd via a file", "s3sync"]


@dataclasses.dataclass
class Row:
    what: str
    size: int
    count: int = 1
    tls: bool = False
    far: bool = False
    weed: bool = False
    # A function of that much memory: what it is told, and the share of a processor that all are held to.
    share: int | None = None
    # The process is there already, and has mirrored one object.
    warm: bool = False
    peers: list = dataclasses.field(default_factory=lambda: ALL)
    rounds: int = 5
    # So many deliveries for the one key at the same time, each to an emulator of its own.
    at_once: int = 1
    # Run by `make bench` when it is told nothing.
    usual: bool = True

    def keys(self):
        return [f"o{self.size}x{self.count}/{number:04}" for number in range(self.count)]


ROWS = {
    "1k-warm": Row("1 KiB, a process that is there", KIB, warm=True, peers=[], rounds=30),
    "1k-warm-tls": Row("1 KiB over TLS, a process that is there", KIB, tls=True, warm=True, peers=[], rounds=30),
    "1k": Row("1 KiB, a new process", KIB, rounds=7),
    "1k-far": Row("1 KiB, far, a new process", KIB, far=True, rounds=3),
    "10k": Row("1,000 objects of 10 KiB", 10 * KIB, count=1000, peers=MANY),
    "10k-far": Row("1,000 objects of 10 KiB, far", 10 * KIB, count=1000, far=True, peers=["rclone tuned", "s5cmd via a file", "s3sync"], rounds=2),
    "256m": Row("256 MiB", 256 * MIB),
    "256m-tls": Row("256 MiB over TLS", 256 * MIB, tls=True),
    "256m-far": Row("256 MiB, far", 256 * MIB, far=True, rounds=3),
    "1g": Row("1 GiB", GIB),
    "1g-tls": Row("1 GiB over TLS", GIB, tls=True),
    "5g-tls": Row("5 GiB over TLS", 5 * GIB, tls=True, peers=[], rounds=1, usual=False),
    "1k-128mb": Row("1 KiB over TLS at a 128 MB function's share, a new process", KIB, tls=True, share=128, peers=["original script", "rclone", "s5cmd via a file"], rounds=3),
    "256m-256mb": Row("256 MiB over TLS at a 256 MB function's share", 256 * MIB, tls=True, share=256, peers=["original script", "rclone", "rclone tuned", "s5cmd via a file"], rounds=3),
    "16-at-once": Row("16 deliveries for one key of 256 KiB at once", 256 * KIB, peers=["original script"], rounds=3, at_once=16),
    # Last: its client makes this process large, and with it all that it starts seem so.
    "256m-weed": Row("256 MiB, SeaweedFS on disk", 256 * MIB, weed=True, peers=["rclone", "rclone tuned", "s5cmd via a file"], rounds=3),
    "256m-weed-tls": Row("256 MiB, SeaweedFS on disk, TLS", 256 * MIB, weed=True, tls=True, peers=["rclone"], rounds=3, usual=False),
    "1g-weed": Row("1 GiB, SeaweedFS on disk", GIB, weed=True, peers=[], rounds=3, usual=False),
    "1g-weed-tls": Row("1 GiB, SeaweedFS on disk, TLS", GIB, weed=True, tls=True, peers=[], rounds=3, usual=False),
}
