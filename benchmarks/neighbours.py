"""What other guests took of this machine: p99s of milliseconds say little without it."""

from pathlib import Path

_STOLEN = 7
"""The place of `steal` in a line of /proc/stat (proc_stat(5))."""


def ticks() -> tuple[int, int]:
    """Stolen, and all, since the machine started; two zeros where nobody tells."""
    try:
        line = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return 0, 0
    counted = [int(word) for word in line.split()[1:9]]
    return counted[_STOLEN], sum(counted)


def told(before: tuple[int, int]) -> str:
    """A line about the time since `before`."""
    stolen, everything = (now - then for now, then in zip(ticks(), before, strict=True))
    return f"taken by the machine's other guests: {stolen / max(1, everything):.1%} of the time"
