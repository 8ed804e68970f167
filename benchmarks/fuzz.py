"""Fuzzes the URL parser with the address policy, and the normaliser.

    .venv/bin/python -m benchmarks.fuzz --seconds 600

The tests run the same targets briefly.
"""

import argparse
import time

from testing.fuzzing import NormaliserTarget, fuzz_images, fuzz_urls

_URLS_PER_ROUND = 2_000
_IMAGES_PER_ROUND = 500


def main() -> None:
    """Fuzz both targets for the given time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    arguments = parser.parse_args()
    end_s = time.monotonic() + arguments.seconds
    normaliser = NormaliserTarget()
    rounds = 0
    try:
        while time.monotonic() < end_s:
            fuzz_urls(_URLS_PER_ROUND)
            fuzz_images(normaliser, _IMAGES_PER_ROUND)
            rounds += 1
            print(f"{rounds * _URLS_PER_ROUND} URLs, {rounds * _IMAGES_PER_ROUND} images, "
                  f"{normaliser.lost_children} child processes lost", flush=True)  # fmt: skip
    finally:
        normaliser.close()


if __name__ == "__main__":
    main()
