"""CPU steal: processor time that the hypervisor gave to other virtual machines.

A p99 of a few milliseconds says little on a machine where it is high.
"""

from pathlib import Path

_STEAL_COLUMN = 7
"""The column of `steal` in the first line of /proc/stat (proc_stat(5))."""

Ticks = tuple[int, int]
"""Stolen ticks and all ticks since the machine started."""


def read_ticks() -> Ticks:
    """The counters now; zeros where the system has none."""
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return 0, 0
    counters = [int(word) for word in line.split()[1:9]]
    return counters[_STEAL_COLUMN], sum(counters)


def describe_since(before: Ticks) -> str:
    """A line with the steal since `before`."""
    stolen, total = (now - then for now, then in zip(read_ticks(), before, strict=True))
    return f"CPU steal: {stolen / max(1, total):.1%}"
