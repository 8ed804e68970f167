"""Import time of the SDK, and what its first caption imports besides.

    .venv/bin/python -m benchmarks.import_time

Each import runs in a new interpreter and does not include the interpreter's own start. The best run
shows what the machine can do, the median what it did. Exit code 1 where the median is over the
figure in docs/sdk.md.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys

MAX_MS = 150.0
_SCRIPT = """
import sys, time
started_at_s = time.perf_counter()
{}
print((time.perf_counter() - started_at_s) * 1000, len(sys.modules))
"""
STATEMENTS = {
    "import Altwright": "from altwright import Altwright",
    "... and AsyncAltwright": "from altwright import AsyncAltwright",
    "... and httpx, at the first call": "from altwright import Altwright; import httpx",
    "... and Pillow, at the first file": (
        "from altwright import Altwright; import httpx; from PIL import Image"
    ),
}


def measure_ms(statement: str, times: int) -> tuple[list[float], int]:
    """Milliseconds of each run, and how many modules were loaded afterwards."""
    took_ms, modules = [], 0
    for _ in range(times):
        completed = subprocess.run(
            [sys.executable, "-c", _SCRIPT.format(statement)],
            capture_output=True,
            text=True,
            check=True,
        )
        ms, count = completed.stdout.split()
        took_ms.append(float(ms))
        modules = int(count)
    return took_ms, modules


def main() -> None:
    """Measure and print; exit code 1 where the target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    medians = []
    for name, statement in STATEMENTS.items():
        took_ms, modules = measure_ms(statement, arguments.times)
        medians.append(statistics.median(took_ms))
        print(f"{name:>34}: median {medians[-1]:6.1f} ms, best {min(took_ms):6.1f} ms, "
              f"{modules} modules")  # fmt: skip
    met = medians[0] <= MAX_MS
    print("target met" if met else f"target MISSED: over {MAX_MS:.0f} ms")
    raise SystemExit(not met)


if __name__ == "__main__":
    main()
