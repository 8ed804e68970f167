"""The most that the process tree holds when everything that takes memory comes at once.

    .venv/bin/python -m benchmarks.memory --seconds 30

Starts the real server with its defaults, first with the embedded captioner that reads text, then
with a model that takes its time. Callers from different addresses send, side by side: pictures at
the limits of bytes and pixels, bodies at the limit with a picture inside, pages full of text, and
twelve captions of one picture. Prints who held what at the peak; exit code 1 where the promise of
docs/security.md did not hold.
"""

import argparse
import asyncio
import base64
import io
import os
import platform
import random
from collections import Counter
from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

from benchmarks.service import altwright, far_ends
from testing import bombs, load, process_tree

PROMISED_MIB = 1024
_WIDE = (12_200, 12_200)
"""149 megapixels: just under the limit."""


def files() -> dict[str, bytes]:
    """What the origin serves."""
    return {
        "sixty-megabytes.jpg": bombs.jpeg_start() + bytes(60_000_000),
        "rgb.png": bombs.solid_png(_WIDE, 8, 2),
        "rgba16.png": bombs.solid_png((12_000, 12_000), 16, 6),
        "progressive.jpg": _saved((9_000, 9_000), "JPEG", progressive=True, subsampling=0),
        "large.webp": _saved((5_500, 5_500), "WEBP", quality=50, method=0),
        "page.png": page(),
    }


def page() -> bytes:
    """A picture full of text: what reading costs most for."""
    picture = Image.new("RGB", (1200, 1200), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(22)
    for line in range(44):
        draw.text((20, 20 + 26 * line), f"Line {line}: the quick brown fox jumps over lazy dogs, "
                  f"{line * 7919} times a day in all weathers.", "black", font)  # fmt: skip
    return _png(picture)


def inline() -> bytes:
    """A request with a picture of some six megabytes inside: a body just under the limit."""
    noise = Image.frombytes("RGB", (1400, 1400), random.Random(5).randbytes(1400 * 1400 * 3))
    url = "data:image/png;base64," + base64.b64encode(_png(noise)).decode()
    return load.caption(url)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _saved(size: tuple[int, int], kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, kind, **options)
    return out.getvalue()


async def attacked(
    url: str, pid: int, served: Mapping[str, bytes], seconds: float
) -> tuple[process_tree.Peak, Counter[str]]:
    """Everything at once; the peak, and what the callers were told."""
    server = await asyncio.start_server(lambda r, w: _serve(r, w, served), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    def asking(name: str, **fields: object) -> bytes:
        return load.caption(f"http://127.0.0.1:{port}/{name}", **fields)

    several = load.request(
        "POST",
        "/v1/image/captions",
        {
            "image_url": f"http://127.0.0.1:{port}/page.png",
            "styles": ["concise", "seo", "detailed"],
            "locales": ["en", "de", "fr", "es"],
        },
    )
    crowd = [
        ([asking("sixty-megabytes.jpg")], 24),
        ([asking(name) for name in ("rgb.png", "rgba16.png", "progressive.jpg", "large.webp")], 12),
        ([inline()], 24),
        ([asking("page.png")], 24),
        ([several], 12),
    ]
    with process_tree.watched(pid) as peak:
        told = await asyncio.gather(
            *(
                load.closed_loop(url, messages, in_flight=callers, seconds=seconds, pause_s=0.05,
                                 own_addresses=True)
                for messages, callers in crowd
            )
        )  # fmt: skip
    server.close()
    return peak, sum((one.codes() for one in told), Counter())


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: Mapping[str, bytes]
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = served[head.split(b" ", 2)[1].decode().lstrip("/")]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            for at in range(0, len(body), 1 << 20):  # not 60 MB in this process's buffers, too
                writer.write(body[at : at + (1 << 20)])
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass  # 3.11 logs a server's task that ends cancelled as an error
    finally:
        writer.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    served = files()
    highest = 0.0
    with far_ends([], delay_s=2.0) as far:
        for name, settings in (
            ("embedded", {"ALTWRIGHT_MODEL": "", "ALTWRIGHT_MODEL_BASE_URL": ""}),
            ("slow model", {}),
        ):
            with altwright(far, **settings) as (url, pid):
                idle = process_tree.tree_bytes(pid) >> 20
                peak, codes = asyncio.run(attacked(url, pid, served, arguments.seconds))
                after = process_tree.tree_bytes(pid) >> 20
            parts = " + ".join(str(size >> 20) for size in peak.parts)
            print(f"{name:>11}: idle {idle} MiB, peak {peak.mib:.0f} MiB ({parts}), then {after}; "
                  f"{dict(codes)}", flush=True)  # fmt: skip
            highest = max(highest, peak.mib)
    held = highest < PROMISED_MIB
    print("held" if held else f"did NOT hold: over {PROMISED_MIB} MiB")
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
