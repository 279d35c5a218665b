#!/usr/bin/env python3
"""A queue that takes every batch of messages, after so many milliseconds, and counts them: `sqs.py PORT MS`.

It is there to measure who sends: it speaks just enough of SQS's JSON protocol. GET answers how many messages it took.
"""

import asyncio
import json
import re
import sys

taken = 0


async def serve(reader, writer, delay):
    global taken
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if head.startswith(b"get "):
                answer = str(taken)
            else:
                entries = json.loads(body)["Entries"]
                taken += len(entries)
                await asyncio.sleep(delay)
                answer = json.dumps({"Successful": [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"} for entry in entries]})
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {len(answer)}\r\n\r\n{answer}".encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port, milliseconds):
    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, milliseconds / 1000), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
