"""System call filter of a child process (seccomp): an allow-list, on Linux for x86-64 and AArch64.

Every call that is not on the list fails with EPERM, which Python and the decoders report as an
ordinary error.
"""

import ctypes
import platform
import sys

_PR_SET_NO_NEW_PRIVS = 38
_EPERM, _ENOSYS = 1, 38

# Values of seccomp_data.arch (linux/audit.h).
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Number of the system call seccomp(2).
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1

# name: (number on x86-64, on AArch64), from asm/unistd_64.h and asm-generic/unistd.h. They manage
# memory, time, locks and descriptors that are already open. No socket, open, exec, fork, kill or
# prlimit is among them.
_ALLOWED_CALLS = {
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

# clone may start a thread (libde265 starts one for every HEIC), but not a process. clone3 has its
# flags in memory, which a filter cannot read; answered ENOSYS, glibc falls back to clone.
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x00010000

# Instructions of classic BPF (linux/filter.h).
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


def install_filter() -> bool:
    """Allow this process, with all its threads, only the calls on the list. False if unsupported.

    It cannot be removed again, and system calls of another architecture always fail.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCH or sys.maxsize < 2**32:
        return False
    program = _compile_filter(machine)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    status: int = libc.syscall(
        _SECCOMP[machine],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_TSYNC,
        ctypes.byref(program),
    )
    return status == 0


def _compile_filter(machine: str) -> _Program:
    numbers = [pair[0 if machine == "x86_64" else 1] for pair in _ALLOWED_CALLS.values()]
    # Each instruction: code, instructions to skip if the test holds, to skip if not, value.
    steps = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_JUMP_EQUAL, 1, 0, _ARCH[machine]),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _RET_ERRNO | _ENOSYS),
        (_JUMP_EQUAL, 0, 4, _CLONE[machine]),
        (_LOAD, 0, 0, 16),  # seccomp_data.args[0], low half
        (_JUMP_SET, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_RETURN, 0, 0, _RET_ALLOW),
        *((_JUMP_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_RETURN, 0, 0, _RET_ALLOW),
    ]
    code = (_Instruction * len(steps))(*(_Instruction(*step) for step in steps))
    return _Program(len(steps), code)
