"""How many processes N cores want, and who keeps off which: this is the one place that decides it.

A caption of 1 megapixel costs the event loop 6 ms and a decoding child 11, one of 12 megapixels 6
and 36 (docs/performance.md). So one loop keeps two children busy with small pictures and six with
large ones, and a worker for each three cores, `WORKERS = ceil(cores / 3)`, leaves none idle with
either. Each worker starts one child for each core that falls to it, and an express child (pool.py)
that is idle unless cheap pictures wait behind costly ones.
"""

import contextlib
import ctypes
import math
import os
import sys
from pathlib import Path

_getcpu = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None

_CGROUP = Path("/sys/fs/cgroup")

MOST_CHILDREN = 4
"""Per server process. Each holds some 40 MB when idle and a decoded picture when busy; past four
decoding cores one event loop is the narrow place, and another worker the better use of a core."""


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and its container's share, rounded up."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = _container_share()
    return max(1, min(cores, math.ceil(share)) if share else cores)


def children_for_this_machine(workers: int = 1) -> int:
    """One child a core, shared out over the server's workers: 1 to MOST_CHILDREN.

    Decoding is all processor time, so more children than cores only hold more memory. The event
    loop is not given a core of its own: it goes first by its niceness, and the children share what
    it leaves.
    """
    return max(1, min(MOST_CHILDREN, usable_cores() // max(1, workers)))


def keep_off_our_core(pid: int) -> None:
    """Have that process run on any core but the one that this process runs on now.

    Linux often wakes a process on the core of the one that sent it something, and where all are
    busy it stays there for tens of milliseconds: the child would wait for the server while a
    costly child has the other core to itself.
    """
    if _getcpu is None:
        return
    with contextlib.suppress(OSError):  # it has just died, or a sandbox around us forbids it
        others = os.sched_getaffinity(0) - {_getcpu()}
        if others:
            os.sched_setaffinity(pid, others)


def _container_share() -> float | None:
    """The processor share of the container in cores, None where there is no limit."""
    try:  # cgroup v2: "200000 100000" or "max 100000"
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:  # cgroup v1: -1 for no limit
            quota = (_CGROUP / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (_CGROUP / "cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    if quota == "max" or int(quota) <= 0:
        return None
    return int(quota) / int(period)
