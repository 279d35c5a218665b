#!/usr/bin/env python3
"""What a program does that uses MinIO's client for Python, for tests/it/clients/minio.rs.

    .venv/bin/python tests/minio_client.py http://127.0.0.1:9000 put|compare|remove

`put` fills the bucket `origin` below minio/, prints its keys as JSON; `compare` ends with 1 unless each object is in `backup`
with the same type, metadata and tags; `remove` removes them all, one by one and at once.
"""

import io
import json
import sys
import urllib.parse

from minio import Minio
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject

MIB = 1 << 20
# Its client refuses the segments `.` and `..` by itself.
HOSTILE = ["a//b", "trailing/", "100%", "a%20b", "a+b", "a b", "^:;,=&?#", "-rf", "$(touch pwned)`id`", "it's \"quoted\" <&>", "\u00dcn\u00ef", "e\u0301", "\u00e9", "\u65e5\u672c\u8a9e/\U0001f600", "~*[0]{a,b}", "k" * 900]

endpoint, action = urllib.parse.urlparse(sys.argv[1]), sys.argv[2]
client = Minio(endpoint.netloc, access_key="local", secret_key="local", secure=False, region="us-east-1")


def tags(**values):
    made = Tags.new_object_tags()
    made.update(values)
    return made


def put(key, body, **options):
    client.put_object("origin", f"minio/{key}", io.BytesIO(body), len(body), **options)


def keys():
    return sorted(found.object_name for found in client.list_objects("origin", prefix="minio/", recursive=True))


def properties(bucket, key):
    stat = client.stat_object(bucket, key)
    own = {name.lower(): value for name, value in stat.metadata.items()}
    kept = {name: value for name, value in own.items() if name in ("content-type", "cache-control") or name.startswith("x-amz-meta-")}
    kept.pop("x-amz-meta-hookwork-mark", None)
    return stat.size, kept, dict(client.get_object_tags(bucket, key) or {})


if action == "put":
    put("plain.txt", b"hello", content_type="text/plain", metadata={"colour": "blue", "Cache-Control": "no-store"}, tags=tags(kind="test", a="1 2"))
    put("empty", b"")
    large = b"".join(number.to_bytes(8, "big") for number in range(12 * MIB // 8))
    put("parts", large, part_size=5 * MIB, content_type="video/mp4")
    # Of a length that it does not know before.
    client.put_object("origin", "minio/stream", io.BytesIO(large[: 6 * MIB]), -1, part_size=5 * MIB)
    client.copy_object("origin", "minio/copied", CopySource("origin", "minio/plain.txt"))
    client.compose_object("origin", "minio/composed", [ComposeSource("origin", "minio/parts"), ComposeSource("origin", "minio/plain.txt")])
    for key in HOSTILE:
        put(f"hostile/{key}", key.encode())
    put("overwritten", b"1")
    put("overwritten", b"22")
    print(json.dumps(keys()))
elif action == "compare":
    differing = [key for key in keys() if properties("origin", key) != properties("backup", key)]
    sys.exit(f"differ: {[(key, properties('origin', key), properties('backup', key)) for key in differing]}" if differing else 0)
elif action == "remove":
    for key in keys():
        # In a list of many it writes what is beyond U+FFFF as a reference by number, which the local server (s3s 0.14) cannot read.
        if key == "minio/plain.txt" or max(key) > "\uffff":
            client.remove_object("origin", key)
    sys.exit("\n".join(map(str, client.remove_objects("origin", [DeleteObject(key) for key in keys()]))) or 0)
else:
    sys.exit(__doc__)
