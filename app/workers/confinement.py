"""What a warm child gives up before it reads a stranger's bytes.

Two walls that do not depend on each other: resource limits (no new file, socket or larger memory
map) and, on Linux for x86-64 and AArch64, a seccomp list of the few calls that a decoder needs.
Everything else answers EPERM, which Python and the decoders report as an ordinary error.
"""

import ctypes
import os
import platform
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_EPERM, _ENOSYS = 1, 38

# linux/audit.h: what seccomp_data.arch holds.
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# The number of seccomp(2) itself.
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1

# name: (x86-64, AArch64), from asm/unistd_64.h and asm-generic/unistd.h. Memory, time, locks,
# and the descriptors that are open already: no socket, open, exec, fork, kill or prlimit.
_ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "newfstatat": (262, 79),  # glibc's fstat since 2.33
    "set_robust_list": (273, 99),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}

# A thread is fine (libde265 starts one for every HEIC), a process is not. The flags of clone3 lie
# in memory that a filter cannot read: told that it does not exist, glibc takes clone.
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x00010000

_M_MMAP_THRESHOLD = -3
_OWN_PAGES_BYTES = 256 * 1024
# With it 3 MB of holes were left behind the same PNG.

_KEPT_BYTES = 16 * 1024 * 1024
# What the next picture of ordinary size will use again: clearing its pages anew would cost 2 ms.

# Classic BPF (linux/filter.h): load a word, jump if equal, jump if a bit is set, return.
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_RET_ALLOW, _RET_ERRNO = 0x7FFF0000, 0x00050000


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent goes, however it goes.

    End of file on the socket does the same where there is no prctl, but only between two jobs.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


def step_back(niceness: int, *, as_batch: bool) -> None:
    """Let the server go first: for the processor, and for the out-of-memory killer.

    `as_batch` is for work that may wait: when it wakes it pushes nothing else aside.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A drain is announced to the whole group by service managers; jobs in work end first.
        signal.signal(number, signal.SIG_IGN)
    if as_batch and sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(niceness)
    try:
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    except OSError:
        return  # not Linux, or /proc is read-only: the kernel's own choice then


class Allocator:
    """glibc's allocator, told what kind of job comes. Elsewhere it does what it does."""

    def __init__(self, kept_bytes: int) -> None:
        self._usual_bytes = kept_bytes // 2
        self._mallopt = getattr(ctypes.CDLL(None), "mallopt", None)

    def keep(self) -> None:
        """Small pictures: what one was decoded in is kept for the next."""
        self._threshold(self._usual_bytes)

    def give_back(self) -> None:
        """A large one: its buffers have pages of their own and go with it.

        In the heap they leave holes: 100 MB of address space behind a PNG of 16 bits, and a child
        that has to be started anew for each.
        """
        self._threshold(_OWN_PAGES_BYTES)

    def _threshold(self, size_bytes: int) -> None:
        if self._mallopt is not None:
            self._mallopt(_M_MMAP_THRESHOLD, size_bytes)


class OwnMemory:
    """What this process has mapped and holds, from a file opened before the doors are shut."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # not Linux, or no /proc
            self._file = None
        self._held_bytes = self._read()[1]

    def mapped_bytes(self) -> int:
        """Address space; 0 where it cannot be known."""
        return self._read()[0]

    def give_back(self) -> None:
        """Return what the allocator kept of large pictures: up to 100 MB, which no limit counts."""
        if self._read()[1] > self._held_bytes + _KEPT_BYTES:
            ctypes.CDLL(None).malloc_trim(0)

    def _read(self) -> tuple[int, int]:
        """Bytes mapped, and bytes of memory held that are this process's own."""
        if self._file is None:
            return 0, 0
        os.lseek(self._file, 0, os.SEEK_SET)
        mapped, resident, shared = os.read(self._file, 200).split()[:3]
        page = os.sysconf("SC_PAGE_SIZE")
        return int(mapped) * page, (int(resident) - int(shared)) * page


def confine(address_space_bytes: int) -> list[str]:
    """Shut every door. Says which walls could not be built on this system.

    `address_space_bytes` is the most that this process may ever map.
    """
    missing = []
    if address_space_bytes and not _limit(resource.RLIMIT_AS, address_space_bytes):
        missing.append("address space")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if not _limit(resource.RLIMIT_NOFILE, 0):
        missing.append("files")
    if not _filter_calls():
        missing.append("system calls")
    return missing


def _limit(which: int, amount: int) -> bool:
    try:
        resource.setrlimit(which, (amount, amount))
    except (ValueError, OSError):
        return False
    return True


def _filter_calls() -> bool:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCH or sys.maxsize < 2**32:
        return False
    numbers = [pair[0 if machine == "x86_64" else 1] for pair in _ALLOWED.values()]
    # Each jump says how many steps to pass over where it holds, and where it does not.
    steps = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_JUMP_EQUAL, 1, 0, _ARCH[machine]),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _RET_ERRNO | _ENOSYS),
        (_JUMP_EQUAL, 0, 4, _CLONE[machine]),
        (_LOAD, 0, 0, 16),  # seccomp_data.args[0], its low half
        (_JUMP_SET, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_RETURN, 0, 0, _RET_ALLOW),
        *((_JUMP_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_RETURN, 0, 0, _RET_ALLOW),
    ]
    code = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    program = _Program(len(steps), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    answer: int = libc.syscall(
        _SECCOMP[machine],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_TSYNC,
        ctypes.byref(program),
    )
    return answer == 0
