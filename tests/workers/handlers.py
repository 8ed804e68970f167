"""Jobs for the children of the pool's tests: each does one thing that a decoder might do."""

import contextlib
import ctypes
import os
import socket
import time
import warnings
from pathlib import Path

from app.workers import ipc
from app.workers.handler import Input, JsonValue, Refuse, Room

Answer = tuple[dict[str, JsonValue], bytes]


def echo(data: Input, args: dict, room: Room) -> Answer:
    """Hand back what came, and who did it."""
    return {"pid": os.getpid(), "args": args, "bytes": len(data.view)}, data.read()


def size(data: Input, args: dict, room: Room) -> Answer:
    """Look at the last byte alone."""
    return {"bytes": len(data.view), "last": data.view[-1], "pid": os.getpid()}, b""


def sleep(data: Input, args: dict, room: Room) -> Answer:
    """Take some time, with no signal heard."""
    time.sleep(args["seconds"])
    return {"pid": os.getpid()}, b""


def refuse(data: Input, args: dict, room: Room) -> Answer:
    """Say no."""
    raise Refuse("nope", "This is not for us.", "secret reason")


def stumble(data: Input, args: dict, room: Room) -> Answer:
    """A bug."""
    raise KeyError("do not quote me")


def crash(data: Input, args: dict, room: Room) -> Answer:
    """What a hostile file does to a decoder that trusts it."""
    os.write(2, b"last words \xff\x00 of a decoder\n")
    ctypes.string_at(0)
    return {}, b""


def hoard(data: Input, args: dict, room: Room) -> Answer:
    """Ask for some memory, then take some."""
    if "ask" in args:
        room(args["ask"])
    began = time.monotonic()
    block = bytearray(args["take"])
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(args.get("seconds", 0))
    return {"began": began, "ended": time.monotonic(), "pid": os.getpid()}, b""


_KEPT: list[bytearray] = []


def labour(data: Input, args: dict, room: Room) -> Answer:
    """Ask for little memory and much time."""
    room(args["ask"], args["work_ms"])
    return {"pid": os.getpid()}, b""


def holey(data: Input, args: dict, room: Room) -> Answer:
    """Leave holes: blocks of 1 MB in which every other one is small and stays."""
    if args["ask"]:
        room(args["take"])
    large = []
    for _ in range(args["take"] // 1_000_000):
        large.append(bytearray(1_000_000))
        _KEPT.append(bytearray(b"x" * 20_000))
    return {"pid": os.getpid()}, b""


def crumble(data: Input, args: dict, room: Room) -> Answer:
    """Leave a hole in the heap: much in small pieces, of which the last one stays."""
    room(args["take"])
    _KEPT[:] = [bytearray(b"x" * 60_000) for _ in range(args["take"] // 60_000)][-1:]
    return {"pid": os.getpid()}, b""


def nag(data: Input, args: dict, room: Room) -> Answer:
    """Ask twice."""
    room(1)
    room(1)
    return {}, b""


def nonsense(data: Input, args: dict, room: Room) -> Answer:
    """Say what is no message, past the child's own sender."""
    for descriptor in range(3, 4096):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\x00\x00\x00\x04\x00\x00\x00\x00nope")
    time.sleep(5)
    return {}, b""


def starve(data: Input, args: dict, room: Room) -> Answer:
    """Ask for room that is no number."""
    for descriptor in range(3, 4096):
        with contextlib.suppress(OSError):
            os.write(descriptor, ipc.pack({"room": "all"}))
    time.sleep(5)
    return {}, b""


def flood(data: Input, args: dict, room: Room) -> Answer:
    """A result of a size that nobody asked for."""
    return {}, bytes(args["bytes"])


def chatter(data: Input, args: dict, room: Room) -> Answer:
    """What libtiff does on each of a thousand wrong tags."""
    for _ in range(10_000):
        try:
            os.write(2, b"a warning of sixty characters or so, again and again and again\n")
        except BlockingIOError:
            break
    warnings.warn("and a Python one", stacklevel=1)
    return {}, b""


def break_out(data: Input, args: dict, room: Room) -> Answer:
    """Try each door; answer the error number behind each, 0 where it opened."""
    tries = {
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
    for name, attempt in tries.items():
        try:
            attempt()
        except OSError as error:
            found[name] = error.errno
        else:
            found[name] = 0
    return found, b""
