"""What a process and all its descendants hold: memory, descriptors, threads. Linux only."""

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_KIB = 1024


def descendants(pid: int) -> list[int]:
    """The process ids below `pid`, children before grandchildren."""
    found: list[int] = []
    # Children are listed under the thread that started them, which need not be the first one.
    for task in _entries(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def resident_bytes(pid: int) -> int:
    """Memory of one process, shared pages counted by their share (PSS); 0 where it has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIB
    return 0


def parts_bytes(pid: int) -> list[int]:
    """Memory of a process and of each of its descendants, nothing counted twice."""
    return [resident_bytes(one) for one in (pid, *descendants(pid))]


def tree_bytes(pid: int) -> int:
    """Memory of a process and all its descendants together."""
    return sum(parts_bytes(pid))


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(_entries(f"/proc/{pid}/fd"))


@dataclass(slots=True)
class Peak:
    """The most that a tree held while it was watched, and each sample with its moment."""

    bytes: int = 0
    parts: list[int] = field(default_factory=list)
    """What each process held at the peak, the server itself first."""
    samples: list[tuple[float, int]] = field(default_factory=list)

    @property
    def mib(self) -> float:
        """The peak in mebibytes."""
        return self.bytes / 1_048_576


@contextmanager
def watched(pid: int, every_s: float = 0.1) -> Iterator[Peak]:
    """Sample the tree's memory in a thread until the block ends."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while True:
            parts = parts_bytes(pid)
            held = sum(parts)
            peak.samples.append((time.monotonic(), held))
            if held > peak.bytes:
                peak.bytes, peak.parts = held, parts
            if over.wait(every_s):
                return

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _entries(folder: str) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:
        return []
