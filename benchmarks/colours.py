"""Compares the colours that a model gets with those that Chromium shows.

    .venv/bin/python -m benchmarks.colours

A chart in every format and kind of colour is normalised as for a model, and shown by Chromium. The
table has the largest difference of a patch, in levels of 255. `--files` compares your own files
instead, scaled down to 32 pixels. The exit code is 1 over `--bound`.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from app.imaging import normalise_handler
from testing.colour_comparison import BOUND_LEVELS, compare_charts, compare_files
from testing.colour_pictures import make_colour_pictures
from testing.servers.browser import Browser


def main() -> int:
    """Print the table. The exit code is 1 where a difference is over the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bound", type=int, default=BOUND_LEVELS, metavar="LEVELS")
    parser.add_argument("--files", type=Path, nargs="+", metavar="FILE")
    args = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        parser.error("chromium is not installed")
    normalise_handler.warm_up()
    worst = 0
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, Path(profile))
        try:
            page = browser.page()
            if args.files:
                rows = compare_files(page, args.files)
            else:
                rows = compare_charts(page, make_colour_pictures())
            for row in rows:
                worst = max(worst, row.largest or 0)
                largest = "-" if row.largest is None else row.largest
                print(
                    f"{row.image_format:<5} {row.name:<28} {row.measure:<24} {largest:>4}",
                    flush=True,
                )
        finally:
            browser.close()
    print(f"largest difference: {worst} levels")
    return 1 if worst > args.bound else 0


if __name__ == "__main__":
    sys.exit(main())
