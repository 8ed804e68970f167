"""Part one: making a picture small. Every way in turn, so that a busy moment falls on all alike."""

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
from benchmarks.bench.engine import LONGEST_PX, QUALITY
from testing import photographs
from testing.photographs import Photograph

_HERE = Path(__file__).parent
_SETTINGS = {
    # One picture, one core, for everybody: more threads cost more processor time, and that is
    # what a busy server has too little of.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    # As a child of the server has it. It serves every way alike: fresh pages for each picture cost
    # Pillow a third of its time for a small one, sharp and libvips a tenth.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(RETAINED_HEAP_BYTES // 2),
    "MALLOC_TRIM_THRESHOLD_": str(RETAINED_HEAP_BYTES),
}

WAYS = ("altwright", "floor", "pillow", "libvips", "sharp")
_PEER_OF = {"libvips": "pyvips", "sharp": "sharp"}

PICTURES = (
    *(Photograph(size, "baseline") for size in ("1mp", "2mp", "12mp", "24mp", "42mp")),
    *(Photograph(size, "progressive") for size in ("1mp", "12mp", "42mp")),
    *(Photograph(size, kind) for kind in ("png", "webp") for size in ("2mp", "12mp")),
)

Figures = dict[str, float]
"""Milliseconds by way; a way that is not installed is missing."""


class Engine:
    """One way, warm and waiting."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def make(self, picture: Photograph, times: int = 1) -> dict[str, float]:
        """Do it so often; medians of `cpu_ms` and `wall_ms`, and the bytes that came out."""
        job = {"path": str(picture.path), "format": picture.format, "times": times}
        return self.ask(job)

    def ask(self, job: dict[str, object]) -> dict[str, float]:
        """The same for any file."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def engine(way: str) -> Iterator[Engine]:
    """Start one way; it must be installed."""
    command = [sys.executable, "-m", "benchmarks.bench.engine", way]
    if way == "libvips":
        command = [str(peers.python_of("pyvips")), str(_HERE / "engine.py"), way]
    elif way == "sharp":
        script = str(_HERE.parent / "peers/sharp.mjs")
        command = ["node", script, str(peers.FOLDER / "sharp"), str(LONGEST_PX), str(QUALITY)]
    with subprocess.Popen(
        command,
        env=os.environ | _SETTINGS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Engine(process)
        assert process.stdin is not None
        process.stdin.close()


def available() -> list[str]:
    """The ways that can be measured here."""
    return [way for way in WAYS if way not in _PEER_OF or peers.is_installed(_PEER_OF[way])]


def measure(rounds: int, pictures: Sequence[Photograph] = PICTURES) -> dict[Photograph, Figures]:
    """Median processor time in ms of each way for each picture."""
    photographs.ready(list(pictures))
    with ExitStack() as stack:
        ways = {way: stack.enter_context(engine(way)) for way in available()}
        seen: dict[tuple[Photograph, str], list[float]] = {}
        for turn in range(rounds + 1):
            for picture in pictures:
                times = 5 if picture.size in ("1mp", "2mp") else 1
                for way, one in ways.items():
                    if way == "floor" and picture.format != "jpeg":
                        continue
                    figure = one.make(picture, times)["cpu_ms"]
                    if turn:  # the first time everything is cold
                        seen.setdefault((picture, way), []).append(figure)
    return {
        picture: {
            way: statistics.median(seen[picture, way]) for way in ways if (picture, way) in seen
        }
        for picture in pictures
    }


def ratio(found: dict[Photograph, Figures], peer: str, *kinds: str) -> float | None:
    """Our time over the peer's: the geometric mean over all pictures of these kinds."""
    chosen = [figures for picture, figures in found.items() if picture.kind in kinds]
    if not chosen or any(peer not in figures for figures in chosen):
        return None
    return statistics.geometric_mean(figures["altwright"] / figures[peer] for figures in chosen)
