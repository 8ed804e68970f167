"""How many child processes to start, and on which processor cores they run.

A caption of an image of 1 megapixel costs the event loop 6 ms and a decoding child 11, one of 12
megapixels 6 and 36 (docs/performance.md). So one event loop keeps two children busy with small
images and six with large ones, and a server process for each three cores,
`WORKERS = ceil(cores / 3)`, leaves no core idle with either. Each server process starts one child
for each core of its part, and an express child (pool.py), which is idle unless cheap jobs wait
behind expensive ones.
"""

import contextlib
import ctypes
import math
import os
import sys
import time
from pathlib import Path

_sched_getcpu = (
    getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform == "linux" else None
)

_CGROUP = Path("/sys/fs/cgroup")

MAX_CHILDREN = 4
"""Per server process. With more than four decoding cores the event loop is the bottleneck, and
another server process uses a core better."""


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and its cgroup's CPU limit, rounded up."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = _cgroup_cpu_limit()
    return max(1, min(cores, math.ceil(limit)) if limit else cores)


def children_per_server_process(server_processes: int = 1) -> int:
    """One child for each core, divided among the server processes: 1 to MAX_CHILDREN.

    Decoding needs processor time only, so more children than cores would only hold more memory. The
    event loop gets no core of its own: its niceness gives it precedence over the children.
    """
    return max(1, min(MAX_CHILDREN, usable_cores() // max(1, server_processes)))


def exclude_current_core(pid: int) -> None:
    """Let process `pid` run on every core except the one that this process runs on now.

    Linux often wakes a process on the core of its waker, and on a busy machine leaves it there for
    tens of milliseconds. The express child would wait for the event loop, while another child has
    the other core to itself.
    """
    if _sched_getcpu is None:
        return
    with contextlib.suppress(OSError):  # the process has just died, or a sandbox forbids the call
        others = os.sched_getaffinity(0) - {_sched_getcpu()}
        if others:
            os.sched_setaffinity(pid, others)


def processor_time_s(pid: int) -> float | None:
    """Processor time that process `pid` has taken since its start; None where it is unknown."""
    if sys.platform != "linux":
        return None
    try:
        # The clock of another process, as clock_getcpuclockid(3) computes it: the inverted pid, and
        # CPUCLOCK_SCHED. Reading a file below /proc takes ten times as long.
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:  # the process has ended, or a sandbox forbids the call
        return None


def _cgroup_cpu_limit() -> float | None:
    """The CPU limit of the container in cores; None where there is no limit."""
    try:  # cgroup v2: "200000 100000" or "max 100000"
        quota, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:  # cgroup v1: -1 means no limit
            quota = (_CGROUP / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (_CGROUP / "cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    if quota == "max" or int(quota) <= 0:
        return None
    return int(quota) / int(period)
