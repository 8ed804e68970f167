"""Peak memory of the process tree when everything that costs memory arrives at the same time.

    .venv/bin/python -m benchmarks.memory --seconds 30

Starts the real server with its defaults, first with the embedded captioner that reads text, then
with a slow model. Clients with different addresses send, side by side: images at the limits of
bytes and pixels, bodies at the limit with an image inside, 64 uploads of 40 MB, pages full of
text, and twelve captions of one image. Prints the memory of each process at the peak; exit code 1
where the limit that docs/security.md names was exceeded.
"""

import argparse
import asyncio
import os
import platform
import random
from collections import Counter

from PIL import Image, ImageDraw, ImageFont

from testing import bombs, load, process_tree
from testing.images import data_url
from testing.servers.altwright import Altwright
from testing.servers.file_origin import file_origin
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

MAX_MEMORY_MIB = 1024
_LARGEST_PX = (12_200, 12_200)
"""149 megapixels: just under the limit of 150."""


def draw_files() -> dict[str, bytes]:
    """What the origin serves, by name."""
    return {
        "sixty-megabytes.jpg": bombs.jpeg_start() + bytes(60_000_000),
        "rgb.png": bombs.solid_png(_LARGEST_PX, 8, 2),
        "rgba16.png": bombs.solid_png((12_000, 12_000), 16, 6),
        "progressive.jpg": bombs.gradient((9_000, 9_000), "JPEG", progressive=True, subsampling=0),
        "large.webp": bombs.gradient((5_500, 5_500), "WEBP", quality=50, method=0),
        "page.png": draw_page(),
    }


def draw_page(number: int = 0) -> bytes:
    """A page full of text, the most expensive kind of image for OCR; each number has another."""
    image = Image.new("RGB", (1200, 1200), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(22)
    for line in range(44):
        text = (
            f"Line {number * 44 + line}: the quick brown fox jumps over lazy dogs, "
            f"{line * 7919} times a day in all weathers."
        )
        draw.text((20, 20 + 26 * line), text, "black", font)
    return bombs.saved(image, "PNG", compress_level=1)


def large_body_request() -> bytes:
    """A request with an image of some six megabytes inside: a body just under the limit."""
    noise = Image.frombytes("RGB", (1400, 1400), random.Random(5).randbytes(1400 * 1400 * 3))
    return load.caption_request(data_url(bombs.saved(noise, "PNG", compress_level=1), "image/png"))


async def attack(
    url: str, pid: int, files: dict[str, bytes], seconds: float
) -> tuple[process_tree.MemoryPeak, Counter[str]]:
    """Send everything at the same time; the memory peak, and the codes of the responses."""
    async with file_origin(files) as origin_url:
        several_captions = load.http_request(
            "POST",
            "/v1/image/captions",
            {
                "image_url": f"{origin_url}/page.png",
                "styles": ["concise", "seo", "detailed"],
                "locales": ["en", "de", "fr", "es"],
            },
        )
        large = ("rgb.png", "rgba16.png", "progressive.jpg", "large.webp")
        upload = load.form_request("/v1/image/caption", bombs.jpeg_start() + bytes(40_000_000))
        messages_and_clients = [
            ([upload], 64),
            ([load.caption_request(f"{origin_url}/sixty-megabytes.jpg")], 24),
            ([load.caption_request(f"{origin_url}/{name}") for name in large], 12),
            ([large_body_request()], 24),
            ([load.caption_request(f"{origin_url}/page.png")], 24),
            ([several_captions], 12),
        ]
        with process_tree.watch_memory(pid) as peak:
            results = await asyncio.gather(
                *(
                    load.closed_loop(
                        url, messages, in_flight=clients, seconds=seconds, pause_s=0.05,
                        own_addresses=True,
                    )
                    for messages, clients in messages_and_clients
                )
            )  # fmt: skip
    return peak, sum((responses.codes() for responses in results), Counter())


def main() -> None:
    """Measure and print; exit code 1 where the target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    files = draw_files()
    highest_mib = 0.0
    with stub_upstreams(model_delay_s=2.0) as upstream:
        for name, settings in (("embedded", {}), ("slow model", stub_model_settings(upstream))):
            with Altwright(**settings) as server:
                pid = server.process.pid
                idle = process_tree.tree_memory_bytes(pid) >> 20
                peak, codes = asyncio.run(attack(server.url, pid, files, arguments.seconds))
                after = process_tree.tree_memory_bytes(pid) >> 20
            parts = " + ".join(str(size >> 20) for size in peak.by_process)
            print(f"{name:>11}: idle {idle} MiB, peak {peak.mib:.0f} MiB ({parts}), then {after}; "
                  f"{dict(codes)}", flush=True)  # fmt: skip
            highest_mib = max(highest_mib, peak.mib)
    met = highest_mib < MAX_MEMORY_MIB
    print("target met" if met else f"target MISSED: over {MAX_MEMORY_MIB} MiB")
    raise SystemExit(not met)


if __name__ == "__main__":
    main()
