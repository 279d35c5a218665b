"""Records docs/backfill.svg: `hookctl backfill` in a real terminal, between two buckets of `hookctl dev`.

make picture installs termtosvg and calls it: docs/picture.py HOOKCTL OUTPUT
"""

import concurrent.futures
import json
import os
import pathlib
import pty
import shlex
import subprocess
import sys
import time

import boto3

hookctl, output = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
termtosvg = pathlib.Path(sys.executable).with_name("termtosvg")
port, s3_port = "18180", "19100"
s3_url = f"http://127.0.0.1:{s3_port}"
local = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
source = {"kind": "s3", "flavor": "vk", "endpoint": s3_url, "region": "us-east-1", "buckets": {"mcs1/photos": {}}}
settings = local | {
    "SOURCES": json.dumps({"vk": source}),
    "SECRETS": json.dumps({"vk": {"access_key_id": "local", "secret_access_key": "local"}}),
    "BACKUP_BUCKET": "copies",
    "STATE_BUCKET": "notes",
    "AWS_ENDPOINT_URL_S3": s3_url,
}
SHOWN = ["hookctl backfill vk photos", "hookctl audit vk photos"]


def seen(s3):
    """Waits until the local side answers, and fills the origin."""
    for _ in range(100):
        try:
            s3.list_buckets()
            break
        except Exception:  # not up yet
            time.sleep(0.1)
    for bucket in ["photos", "copies", "notes"]:
        s3.create_bucket(Bucket=bucket)
    put = lambda number: s3.put_object(Bucket="photos", Key=f"2026/{number:05}.jpg", Body=os.urandom(20_000 + 37 * number % 90_000))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(3000)))
    # What is copied within the second in which it was put would be looked at twice.
    time.sleep(1.5)


dev = subprocess.Popen([hookctl, "dev", "--port", port, "--s3-port", s3_port], stdout=subprocess.DEVNULL)
try:
    seen(boto3.client("s3", endpoint_url=s3_url, aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1"))
    typed = "; ".join(f"echo {shlex.quote('$ ' + line)}; {line}" for line in SHOWN)
    command = f"bash --norc -c {shlex.quote(typed + '; sleep 2')}"
    environment = os.environ | settings | {"PATH": f"{hookctl.parent}:{os.environ['PATH']}"}
    # It types what it reads, and nobody types: a terminal of its own stays silent.
    _, silent = pty.openpty()
    subprocess.run(
        [termtosvg, output, "-g", "118x7", "-m", "400", "-D", "3000", "-t", "window_frame", "-c", command],
        check=True, env=environment, stdin=silent,
    )
finally:
    dev.terminate()
    dev.wait()
print(f"{output}: {output.stat().st_size} bytes")
