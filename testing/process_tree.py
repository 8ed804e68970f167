"""Memory, descriptors and processor time of a process and its descendants. Linux only."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_KIB = 1024
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """The process ids below `pid`, children before grandchildren."""
    found: list[int] = []
    # Children are listed under the thread that started them, which need not be the first one.
    for task in _entries(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def memory_bytes(pid: int) -> int:
    """Memory of one process, shared pages divided among their users (PSS); 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIB
    return 0


def tree_memory_bytes(pid: int) -> int:
    """Memory of a process and all its descendants together, nothing counted twice."""
    return sum(_memory_of_each(pid))


def open_descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return len(_entries(f"/proc/{pid}/fd"))


def cpu_s(pid: int) -> float:
    """Processor time of one process, in seconds."""
    utime, stime = _stat(pid)[11:13]
    return (int(utime) + int(stime)) / _TICKS_PER_S


def tree_cpu_s(pid: int) -> float:
    """Processor time of a process and all its descendants, those that have ended included."""
    own = sum(int(ticks) for ticks in _stat(pid)[11:15]) / _TICKS_PER_S
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(tree_cpu_s(int(child)) for child in children)


@dataclass(slots=True)
class MemoryPeak:
    """The largest memory of a process tree while it was watched, and every sample."""

    bytes: int = 0
    by_process: list[int] = field(default_factory=list)
    """Memory of each process at the peak, the root first."""
    samples: list[tuple[float, int]] = field(default_factory=list)
    """`time.monotonic()` and the bytes of the tree."""

    @property
    def mib(self) -> float:
        """The peak in mebibytes."""
        return self.bytes / 1_048_576


@contextmanager
def watch_memory(pid: int, every_s: float = 0.1) -> Iterator[MemoryPeak]:
    """Sample the tree's memory in a thread until the block ends."""
    peak, stopped = MemoryPeak(), threading.Event()

    def sample() -> None:
        while True:
            by_process = _memory_of_each(pid)
            total = sum(by_process)
            peak.samples.append((time.monotonic(), total))
            if total > peak.bytes:
                peak.bytes, peak.by_process = total, by_process
            if stopped.wait(every_s):
                return

    thread = threading.Thread(target=sample, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()


def _memory_of_each(pid: int) -> list[int]:
    return [memory_bytes(one) for one in (pid, *descendants(pid))]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name (proc_pid_stat(5)): 11 is utime."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _entries(folder: str) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:
        return []
