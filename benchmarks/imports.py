"""How long `import altwright` takes, and what a first caption adds to it.

    .venv/bin/python -m benchmarks.imports

Each time in a fresh interpreter whose own start is taken off; the best of the runs is what the
machine can do, the median what it did. Exit code 1 where the median is over what docs/sdk.md says.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys

MOST_MS = 150.0
_TIMED = """
import sys, time
began = time.perf_counter()
{}
print((time.perf_counter() - began) * 1000, len(sys.modules))
"""
STATEMENTS = {
    "import altwright": "import altwright",
    "... and AsyncAltwright": "from altwright import AsyncAltwright",
    "... and httpx, at the first call": "import altwright, httpx",
    "... and Pillow, at the first file": "import altwright, httpx; from PIL import Image",
}


def measured(statement: str, times: int) -> tuple[list[float], int]:
    """Milliseconds of each run, and how many modules were loaded afterwards."""
    took, modules = [], 0
    for _ in range(times):
        ran = subprocess.run(
            [sys.executable, "-c", _TIMED.format(statement)],
            capture_output=True,
            text=True,
            check=True,
        )
        ms, count = ran.stdout.split()
        took.append(float(ms))
        modules = int(count)
    return took, modules


def main() -> None:
    """Measure, print, and say whether it held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    medians = []
    for name, statement in STATEMENTS.items():
        took, modules = measured(statement, arguments.times)
        medians.append(statistics.median(took))
        print(f"{name:>34}: median {medians[-1]:6.1f} ms, best {min(took):6.1f} ms, "
              f"{modules} modules")  # fmt: skip
    held = medians[0] <= MOST_MS
    print("held" if held else f"did NOT hold: over {MOST_MS:.0f} ms")
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
