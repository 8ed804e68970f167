"""Both far ends of the wire: an origin with pictures and a model that answers at once.

One small asyncio program without a framework, so that what is measured is Altwright and not it.
Run by the benchmarks themselves; prints its port, serves until its standard input closes.
"""

import argparse
import asyncio
import json
import sys

from testing import photographs
from testing.photographs import Photograph

_ANSWER = "A brown wooden bench beside a gravel path in a park with tall green trees."


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    pictures: dict[str, bytes],
    delay_s: float,
) -> None:
    answer = json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "fake",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": _ANSWER},
                }
            ],
            "usage": {"prompt_tokens": 900, "completion_tokens": 18, "total_tokens": 918},
        }
    ).encode()
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            request, _, headers = head.partition(b"\r\n")
            for line in headers.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    await reader.readexactly(int(value))
            if request.startswith(b"POST"):
                await asyncio.sleep(delay_s)
                kind, body = b"application/json", answer
            else:
                name_asked = request.split(b" ")[1].decode().strip("/").removesuffix(".jpg")
                kind, body = b"image/jpeg", pictures.get(name_asked, b"")
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                % (b"200 OK" if body else b"404 Not Found", kind, len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve the pictures that the arguments name until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds the model takes")
    arguments = parser.parse_args()
    drawn = [Photograph(name, "baseline") for name in arguments.names]
    photographs.ready(drawn)
    pictures = {one.size: one.path.read_bytes() for one in drawn}
    server = await asyncio.start_server(
        lambda r, w: _serve(r, w, pictures, arguments.delay), "127.0.0.1", 0, limit=1 << 20
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
