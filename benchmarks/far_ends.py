"""Both far ends of the wire: an origin with pictures and a model that answers at once.

One small asyncio program without a framework, so that what is measured is Altwright and not it.
Run by the benchmarks themselves; prints its port, serves until its standard input closes.
"""

import asyncio
import io
import json
import random
import sys

from PIL import Image

MEGAPIXELS = {"1mp": (1224, 816), "12mp": (4000, 3000), "24mp": (6000, 4000), "42mp": (7952, 5304)}
_ANSWER = "A brown wooden bench beside a gravel path in a park with tall green trees."


def picture(size: tuple[int, int]) -> bytes:
    """A JPEG with the detail of a photograph: smooth areas, edges and a little grain."""
    rng = random.Random(7)  # the same picture every time
    small = Image.new("RGB", (96, 64))
    small.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(96 * 64)])
    smooth = small.resize(size, Image.Resampling.BICUBIC)
    grain = Image.effect_noise(size, 24).convert("RGB")
    out = io.BytesIO()
    Image.blend(smooth, grain, 0.12).save(out, "JPEG", quality=85)
    return out.getvalue()


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pictures: dict[str, bytes]
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
                kind, body = b"application/json", answer
            else:
                name_asked = request.split(b" ")[1].decode().strip("/").removesuffix(".jpg")
                kind, body = b"image/jpeg", pictures[name_asked]
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                % (kind, len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve the pictures that the arguments name until standard input closes."""
    pictures = {name: picture(MEGAPIXELS[name]) for name in sys.argv[1:]}
    server = await asyncio.start_server(
        lambda r, w: _serve(r, w, pictures), "127.0.0.1", 0, limit=1 << 20
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
