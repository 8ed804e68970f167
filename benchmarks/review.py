"""How long the review page takes to be made and to open in Chromium, with so many local pictures.

    .venv/bin/python -m benchmarks.review --pictures 2000

Every picture is another one, a JPEG of 1200 by 900 with the detail of a photograph. Opened is when
the load event is over and the first card has been laid out; three times, each in a new tab.
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

LIMIT_S = 2.0
_PARTS = (
    "A white mug", "on a wooden table", "beside a window", "with soft morning light",
    "and a folded blue napkin", "next to an open book", "in a small kitchen", "before a grey wall",
)  # fmt: skip


def pictures(folder: Path, count: int) -> list[str]:
    """Files, each another picture."""
    chance = random.Random(7)
    small = Image.effect_noise((48, 36), 90).convert("RGB")
    smooth = small.resize((1200, 900), Image.Resampling.BICUBIC)
    found = []
    for number in range(count):
        tint = Image.new("RGB", (1200, 900), tuple(chance.randrange(256) for _ in range(3)))
        file = io.BytesIO()
        Image.blend(smooth, tint, chance.uniform(0.2, 0.6)).save(file, "JPEG", quality=80)
        path = folder / f"IMG_{number:05}.jpg"
        path.write_bytes(file.getvalue())
        found.append(str(path))
    return found


def outcome(number: int, image: str, chance: random.Random) -> tuple[Row, Outcome]:
    """A row as a run leaves it; every tenth waits for a person."""
    text = " ".join(chance.sample(_PARTS, k=chance.randrange(2, 9))) + "."
    row = Row(
        str(number), image, "Harbour mug, 350 ml, dishwasher safe", file_name=Path(image).name
    )
    answer = RequestResult((TextResult("concise", "en", text, model="m1"),), sha256=image)
    if number % 10:
        return row, Outcome(
            row.key, AltSource.AI, answer, alt=text, alt_locale="en", alt_model="m1"
        )
    return row, Outcome(row.key, AltSource.REJECTED, answer, draft=text, reasons=("opener",))


def main() -> None:
    """Measure and print; exit code 1 where it does not open in time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=2_000)
    arguments = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("install chromium (apt-get install chromium)")
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        images = pictures(Path(folder), arguments.pictures)
        began_s = time.monotonic()
        pairs = [outcome(n, image, chance) for n, image in enumerate(images, 1)]
        small = make_thumbnails(images, link=True)
        items = [
            make_review_item(n, row, made, thumb)
            for n, ((row, made), thumb) in enumerate(zip(pairs, small, strict=True), 1)
        ]
        run = PageHeader("bench", "catalogue.csv", "today", {"ai": len(items)})
        html = render_page(run, items).encode()
        made_s = time.monotonic() - began_s
        path = Path(folder) / "review.html"
        path.write_bytes(html)
        print(f"{len(items):,} pictures: {len(html) / 1e6:.1f} MB, made in {made_s:.1f} s")
        slowest_s = max(opened(program, path, folder))
    print("held" if slowest_s < LIMIT_S else f"did NOT hold: over {LIMIT_S:.0f} s")
    raise SystemExit(slowest_s >= LIMIT_S)


def opened(program: str, path: Path, folder: str) -> list[float]:
    """Seconds of three openings."""
    browser = Browser(program, Path(folder) / "profile")
    took = []
    try:
        for _ in range(3):
            tab = browser.page()
            began_s = time.monotonic()
            tab.open(path.as_uri())
            tab.wait("document.querySelector('.card')?.getBoundingClientRect().height > 0")
            took.append(time.monotonic() - began_s)
            said = tab.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
            cards = tab.run("document.querySelectorAll('.card').length")
            print(f"opened in {took[-1]:.2f} s (load event at {said:.0f} ms, {cards} cards)")
    finally:
        browser.close()
    return took


if __name__ == "__main__":
    main()
