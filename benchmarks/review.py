"""Measures how long a review page with many local images takes to make, and to open in Chromium.

    .venv/bin/python -m benchmarks.review --pictures 2000

Each image is a different JPEG of 1200 by 900 pixels with the detail of a photograph. The page is
open when the load event is over and the first card has a layout; three times, each in a new tab.
"""

import argparse
import io
import os
import platform
import random
import shutil
import tempfile
import time
from pathlib import Path

from altwright.backfill.review.page import PageHeader, render_page
from altwright.backfill.review.review_item import make_review_item
from altwright.backfill.review.thumbnails import make_thumbnails
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult
from PIL import Image

from testing.servers.browser import Browser

MAX_OPEN_S = 2.0
_PHRASES = (
    "A white mug", "on a wooden table", "beside a window", "with soft morning light",
    "and a folded blue napkin", "next to an open book", "in a small kitchen", "before a grey wall",
)  # fmt: skip


def make_images(folder: Path, count: int) -> list[str]:
    """Write different images; returns their paths."""
    randomness = random.Random(7)
    noise = Image.effect_noise((48, 36), 90).convert("RGB")
    smooth = noise.resize((1200, 900), Image.Resampling.BICUBIC)
    paths = []
    for number in range(count):
        tint = Image.new("RGB", (1200, 900), tuple(randomness.randrange(256) for _ in range(3)))
        file = io.BytesIO()
        blended = Image.blend(smooth, tint, randomness.uniform(0.2, 0.6))
        blended.save(file, "JPEG", quality=80)
        path = folder / f"IMG_{number:05}.jpg"
        path.write_bytes(file.getvalue())
        paths.append(str(path))
    return paths


def make_outcome(number: int, image: str, randomness: random.Random) -> tuple[Row, Outcome]:
    """A row as a run leaves it; every tenth waits for a person."""
    text = " ".join(randomness.sample(_PHRASES, k=randomness.randrange(2, 9))) + "."
    row = Row(
        str(number), image, "Harbour mug, 350 ml, dishwasher safe", file_name=Path(image).name
    )
    result = RequestResult((TextResult("concise", "en", text, model="m1"),), sha256=image)
    if number % 10:
        return row, Outcome(
            row.key, AltSource.AI, result, alt=text, alt_locale="en", alt_model="m1"
        )
    return row, Outcome(row.key, AltSource.REJECTED, result, draft=text, reasons=("opener",))


def main() -> None:
    """Measure and print; exit code 1 if the page opens too slowly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=2_000)
    arguments = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("install chromium (apt-get install chromium)")
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    randomness = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        images = make_images(Path(folder), arguments.pictures)
        started_s = time.monotonic()
        rows = [make_outcome(n, image, randomness) for n, image in enumerate(images, 1)]
        thumbnails = make_thumbnails(images, with_web=True)
        items = [
            make_review_item(n, row, outcome, thumbnail)
            for n, ((row, outcome), thumbnail) in enumerate(zip(rows, thumbnails, strict=True), 1)
        ]
        header = PageHeader("bench", "catalogue.csv", "today", {"ai": len(items)})
        html = render_page(header, items).encode()
        seconds = time.monotonic() - started_s
        path = Path(folder) / "review.html"
        path.write_bytes(html)
        print(f"{len(items):,} pictures: {len(html) / 1e6:.1f} MB, made in {seconds:.1f} s")
        slowest_s = max(measure_openings(chromium, path, folder))
    print("held" if slowest_s < MAX_OPEN_S else f"did NOT hold: over {MAX_OPEN_S:.0f} s")
    raise SystemExit(slowest_s >= MAX_OPEN_S)


def measure_openings(chromium: str, page: Path, folder: str) -> list[float]:
    """Open the page three times; returns the seconds of each."""
    browser = Browser(chromium, Path(folder) / "profile")
    seconds = []
    try:
        for _ in range(3):
            tab = browser.page()
            started_s = time.monotonic()
            tab.open(page.as_uri())
            tab.wait("document.querySelector('.card')?.getBoundingClientRect().height > 0")
            seconds.append(time.monotonic() - started_s)
            load_ms = tab.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
            cards = tab.run("document.querySelectorAll('.card').length")
            print(f"opened in {seconds[-1]:.2f} s (load event at {load_ms:.0f} ms, {cards} cards)")
    finally:
        browser.close()
    return seconds


if __name__ == "__main__":
    main()
