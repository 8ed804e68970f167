"""Processor time of making an image small: Altwright's normaliser beside other resizers.

The resizers take turns, so that the load of a busy machine falls on all of them.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.workers.spawn import RETAINED_HEAP_BYTES
from benchmarks.bench import peers
from benchmarks.bench.resizer_process import LONGEST_EDGE_PX, QUALITY
from testing import photographs
from testing.photographs import Photograph

_HERE = Path(__file__).parent
_ENVIRONMENT = {
    # One image, one core: more threads cost more processor time, which is what a busy server lacks.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    # As in a child process of the server. All resizers profit: new pages for each image cost
    # Pillow a third of its time for a small one, sharp and libvips a tenth.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(RETAINED_HEAP_BYTES // 2),
    "MALLOC_TRIM_THRESHOLD_": str(RETAINED_HEAP_BYTES),
}

RESIZERS = ("altwright", "jpeg_minimum", "pillow", "libvips", "sharp")
_PEER_OF = {"libvips": "pyvips", "sharp": "sharp"}

PHOTOGRAPHS = (
    *(Photograph(size, "baseline") for size in ("1mp", "2mp", "12mp", "24mp", "42mp")),
    *(Photograph(size, "progressive") for size in ("1mp", "12mp", "42mp")),
    *(Photograph(size, kind) for kind in ("png", "webp") for size in ("2mp", "12mp")),
)

CpuMs = dict[str, float]
"""Processor time in ms by resizer; one that is not installed is missing."""


class Resizer:
    """A running resizer process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def resize(self, photograph: Photograph, times: int = 1) -> dict[str, float]:
        """Resize it `times` times; the medians `cpu_ms` and `wall_ms`, and the `bytes` made."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"path": str(photograph.path), "format": photograph.format, "times": times}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        result: dict[str, float] = json.loads(self._process.stdout.readline())
        return result


@contextmanager
def start_resizer(name: str) -> Iterator[Resizer]:
    """Start a resizer; it must be installed."""
    command = [sys.executable, "-m", "benchmarks.bench.resizer_process", name]
    if name == "libvips":
        command = [str(peers.python_of("pyvips")), str(_HERE / "resizer_process.py"), name]
    elif name == "sharp":
        script = str(_HERE.parent / "peers/sharp.mjs")
        sharp_folder = str(peers.FOLDER / "sharp")
        command = ["node", script, sharp_folder, str(LONGEST_EDGE_PX), str(QUALITY)]
    with subprocess.Popen(
        command,
        env=os.environ | _ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Resizer(process)
        assert process.stdin is not None
        process.stdin.close()


def installed() -> list[str]:
    """The resizers that can be measured here."""
    return [name for name in RESIZERS if name not in _PEER_OF or peers.is_installed(_PEER_OF[name])]


def measure(rounds: int, wanted: Sequence[Photograph] = PHOTOGRAPHS) -> dict[Photograph, CpuMs]:
    """Median processor time of each resizer for each photograph."""
    photographs.draw_missing(wanted)
    with ExitStack() as stack:
        running = {name: stack.enter_context(start_resizer(name)) for name in installed()}
        found: dict[tuple[Photograph, str], list[float]] = {}
        for number in range(rounds + 1):
            for photograph in wanted:
                times = 5 if photograph.size in ("1mp", "2mp") else 1
                for name, resizer in running.items():
                    if name == "jpeg_minimum" and photograph.format != "jpeg":
                        continue
                    cpu_ms = resizer.resize(photograph, times)["cpu_ms"]
                    if number:  # the first round is a warm-up
                        found.setdefault((photograph, name), []).append(cpu_ms)
    return {
        photograph: {
            name: statistics.median(found[photograph, name])
            for name in running
            if (photograph, name) in found
        }
        for photograph in wanted
    }


def ratio(found: dict[Photograph, CpuMs], peer: str, *kinds: str) -> float | None:
    """Our time over the peer's: the geometric mean over all photographs of these kinds."""
    chosen = [cpu_ms for photograph, cpu_ms in found.items() if photograph.kind in kinds]
    if not chosen or any(peer not in cpu_ms for cpu_ms in chosen):
        return None
    return statistics.geometric_mean(cpu_ms["altwright"] / cpu_ms[peer] for cpu_ms in chosen)
