"""Confinement of a child process: what it gives up before it reads untrusted bytes.

Two mechanisms that do not depend on each other: resource limits (no new file, socket or larger
memory map), and on Linux a seccomp filter of system calls (seccomp.py).
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from app.workers import seccomp

_PR_SET_PDEATHSIG = 1
_LEAST_PRIORITY = 19


def exit_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends for any reason.

    On systems without prctl the end of file on the socket does the same, but only between two jobs.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


def ignore_stop_signals() -> None:
    """Leave it to the server to end this process.

    Service managers signal the whole process group at shutdown; jobs in work finish first.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def lower_priority(niceness: int, *, as_batch: bool) -> None:
    """Give the server precedence, for the processor and for the out-of-memory killer.

    `as_batch` is for work that may wait: a SCHED_BATCH process preempts no other when it wakes.

    On Linux priorities belong to threads, and a new one inherits that of the thread that starts it.
    Libraries may have started some already.
    """
    if sys.platform == "linux":
        lowered = min(_LEAST_PRIORITY, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
        for thread in _own_threads():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                if as_batch:
                    os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, thread, lowered)
    else:
        os.nice(niceness)
    try:
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    except OSError:
        return  # not Linux, or /proc is read-only: the kernel chooses by itself


def _own_threads() -> list[int]:
    """The threads of this process; without /proc the calling one alone, as 0."""
    try:
        return [int(each.name) for each in Path("/proc/self/task").iterdir()]
    except OSError:
        return [0]


def confine(address_space_bytes: int) -> list[str]:
    """Confine this process for good. Returns the protections that this system does not have.

    `address_space_bytes` is the most that this process may ever map; 0 sets no limit.
    """
    missing = []
    if address_space_bytes and not _limit(resource.RLIMIT_AS, address_space_bytes):
        missing.append("address space")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if not _limit(resource.RLIMIT_NOFILE, 0):
        missing.append("files")
    if not seccomp.install_filter():
        missing.append("system calls")
    return missing


def _limit(which: int, amount: int) -> bool:
    try:
        resource.setrlimit(which, (amount, amount))
    except (ValueError, OSError):
        return False
    return True
