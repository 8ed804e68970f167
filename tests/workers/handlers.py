"""Handlers for the pool's tests: each does one thing that a decoder might do."""

import contextlib
import ctypes
import hashlib
import os
import socket
import threading
import time
import warnings
from pathlib import Path

from app.workers import ipc
from app.workers.errors import JobRefused
from app.workers.handler import JobInput, JsonValue, Reserve

Response = tuple[dict[str, JsonValue], bytes]


def echo(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Return the input, and the process id of the child."""
    return {"pid": os.getpid(), "args": args, "bytes": len(data.view)}, data.read()


def size(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Return the size of the input and its last byte."""
    return {"bytes": len(data.view), "last": data.view[-1], "pid": os.getpid()}, b""


def sleep(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Take some time."""
    time.sleep(args["seconds"])
    return {"pid": os.getpid()}, b""


_NICENESS_AT_IMPORT = os.getpriority(os.PRIO_PROCESS, 0)


def niceness_at_warm_up(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Return the priority with which the child loaded its handlers, and its process id."""
    return {"niceness": _NICENESS_AT_IMPORT, "pid": os.getpid()}, b""


def warm_up() -> None:
    """Start a thread, as a library may do."""
    if threading.active_count() == 1:
        threading.Thread(target=time.sleep, args=(3_600,), daemon=True).start()


_CALLS: list[str] = []


def hang_if_repeated(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Return the input in a child that never ran this before; otherwise reserve memory and hang."""
    _CALLS.append("hang_if_repeated")
    if len(_CALLS) > 1:
        reserve(args["reserve_bytes"])
        time.sleep(600)
    return {"pid": os.getpid()}, data.read()


def refuse(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Refuse the job."""
    raise JobRefused("nope", "secret reason")


def raise_error(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Fail as a bug does."""
    raise KeyError("do not quote me")


def crash(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Write to stderr and crash, as a decoder that a hostile file has exploited."""
    os.write(2, b"last words \xff\x00 of a decoder\n")
    ctypes.string_at(0)
    return {}, b""


def allocate(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Reserve some memory, then allocate some."""
    if "reserve_bytes" in args:
        reserve(args["reserve_bytes"])
    began = time.monotonic()
    block = bytearray(args["bytes"])
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(args.get("seconds", 0))
    return {"began": began, "ended": time.monotonic(), "pid": os.getpid()}, b""


def announce(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Reserve memory and announce work, and do none."""
    reserve(args["reserve_bytes"], args["work_ms"])
    return {"pid": os.getpid()}, b""


_KEPT: list[bytearray] = []


def fragment(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Free blocks of 1 MB between small ones that stay."""
    reserve(args["bytes"])
    large = []
    for _ in range(args["bytes"] // 1_000_000):
        large.append(bytearray(1_000_000))
        _KEPT.append(bytearray(b"x" * 20_000))
    return {"pid": os.getpid()}, b""


def leave_a_hole(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Free many small blocks, of which the last one stays."""
    reserve(args["bytes"])
    _KEPT[:] = [bytearray(b"x" * 60_000) for _ in range(args["bytes"] // 60_000)][-1:]
    return {"pid": os.getpid()}, b""


def reserve_twice(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Break the rule of one reservation for each job."""
    reserve(1)
    reserve(1)
    return {}, b""


def send_garbage(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Write bytes to the server that are not a message."""
    for descriptor in range(3, 4096):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\x00\x00\x00\x04\x00\x00\x00\x00nope")
    time.sleep(5)
    return {}, b""


def reserve_no_number(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Send the server a reservation that is not a number."""
    for descriptor in range(3, 4096):
        with contextlib.suppress(OSError):
            os.write(descriptor, ipc.encode_message({"reserve": "all"}))
    time.sleep(5)
    return {}, b""


def return_zeros(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Return a result of the given size."""
    return {}, bytes(args["bytes"])


def fill_stderr(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Write to stderr for each of thousands of wrong tags, as libtiff does."""
    for _ in range(10_000):
        try:
            os.write(2, b"a warning of sixty characters or so, again and again and again\n")
        except BlockingIOError:
            break
    warnings.warn("and a Python one", stacklevel=1)
    return {}, b""


def try_forbidden_calls(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Try to leave the sandbox; return the error number of each attempt, 0 where it succeeded."""
    attempts = {
        "open": lambda: os.open("/etc/hostname", os.O_RDONLY),
        "write": lambda: os.open("/tmp/altwright-child", os.O_CREAT | os.O_WRONLY),
        "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "unix": socket.socketpair,
        "fork": os.fork,
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "kill": lambda: os.kill(os.getppid(), 0),
        "dup": lambda: os.dup(0),
        "unlink": lambda: Path("/tmp/altwright-no-such-file").unlink(),
    }
    found: dict[str, JsonValue] = {"environment": sorted(os.environ)}
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            found[name] = error.errno
        else:
            found[name] = 0
    return found, b""


def burn_in_python(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Take processor time in Python code, as Pillow's byte-wise reading of a header does."""
    end_s = time.process_time() + args["seconds"]
    while time.process_time() < end_s:
        pass
    return {"pid": os.getpid()}, data.read()


def burn_in_native_code(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Take processor time in one call that nothing interrupts, as a decoder does."""
    end_s = time.process_time() + args["seconds"]
    while time.process_time() < end_s:
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 3_000_000)
    return {"pid": os.getpid()}, data.read()


def announce_twice(data: JobInput, args: dict, reserve: Reserve) -> Response:
    """Announce work as soon as it is known, and reserve memory later."""
    reserve(0, args["work_ms"])
    reserve(args["reserve_bytes"], args["work_ms"])
    return {"pid": os.getpid()}, b""
