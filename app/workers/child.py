"""Main program of a child process: warm up, confine the process, then run one job after the other.

The server starts it (spawn.py) with everything it needs in one JSON argument. It imports nothing of
the server but its handlers. confinement.py says what it cannot do.
"""

import gc
import importlib
import mmap
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeAlias

from app.workers import confinement, ipc
from app.workers.errors import JobRefused
from app.workers.handler import Handler, JobInput
from app.workers.memory import Allocator, ProcessMemory

INTERRUPT_SIGNAL = signal.SIGUSR1
"""With this signal the server ends a job that outgrows the express child (express.py)."""

Response: TypeAlias = tuple[dict[str, Any], bytes]
"""The message that ends a job, and the bytes that the job made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildArguments:
    """What the server tells a child at its start."""

    parent_pid: int
    niceness: int
    is_batch: bool
    is_urgent: bool
    """Whether it warms up with the server's priority, because the server waits for it to start."""
    socket_fd: int
    input_fd: int
    input_max_bytes: int
    max_growth_bytes: int
    """Address space that it may map beyond what it has mapped after its warm-up."""
    base_memory_bytes: int
    max_work_ms: float | None
    """Longer work must be announced to the server; None for no limit."""
    retained_heap_bytes: int
    handlers: dict[str, str]


def main(arguments: ChildArguments) -> None:
    """Run jobs until the server closes its end of the socket."""
    confinement.exit_with_parent(arguments.parent_pid)
    confinement.ignore_stop_signals()
    if not arguments.is_urgent:
        confinement.lower_priority(arguments.niceness, as_batch=arguments.is_batch)
    handlers = _load_handlers(arguments.handlers)
    if arguments.is_urgent:
        confinement.lower_priority(arguments.niceness, as_batch=arguments.is_batch)
    # Mapped once: without a spare descriptor it could not be mapped again. It takes no memory until
    # the server writes the input of a job into it.
    shared_input = mmap.mmap(arguments.input_fd, arguments.input_max_bytes, prot=mmap.PROT_READ)
    memory = ProcessMemory()
    allocator = Allocator(arguments.retained_heap_bytes)
    mapped_bytes = memory.mapped_bytes()
    interrupt = _Interrupt()
    gc.collect()
    gc.freeze()
    missing = confinement.confine(mapped_bytes and mapped_bytes + arguments.max_growth_bytes)
    server = _Server(arguments, allocator, interrupt)
    server.send({"ready": True, "mapped_bytes": mapped_bytes, "missing": missing})
    while (job := server.receive()) is not None:
        data = JobInput(memoryview(shared_input)[: job["size"]])
        handler = handlers[job["handler"]]
        message, result = _run_interruptibly(interrupt, handler, data, job["args"], server)
        del data
        gc.collect()  # frames of an exception hold images in reference cycles
        allocator.prepare_for_small_job()
        memory.trim_heap()
        server.send({**message, "mapped_bytes": memory.mapped_bytes()}, result)


def _load_handlers(places: dict[str, str]) -> dict[str, Handler]:
    """Import each handler ("module:function") and warm up its module."""
    handlers: dict[str, Handler] = {}
    for name, place in places.items():
        module_name, _, function = place.partition(":")
        module = importlib.import_module(module_name)
        if hasattr(module, "warm_up"):
            module.warm_up()
        handlers[name] = getattr(module, function)
    return handlers


class JobInterrupted(BaseException):
    """The server has ended the job. No `except Exception` of a decoder may stop this."""


class _Interrupt:
    """Raises JobInterrupted at the server's signal, while that is allowed.

    A signal that arrives in a decoder's native code has an effect when that returns.
    """

    def __init__(self) -> None:
        self.is_allowed = False
        signal.signal(INTERRUPT_SIGNAL, self._raise)

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_allowed:
            self.is_allowed = False
            raise JobInterrupted


def _run_interruptibly(
    interrupt: _Interrupt, handler: Handler, data: JobInput, args: dict[str, Any], server: "_Server"
) -> Response:
    try:
        interrupt.is_allowed = True
        response = _run(handler, data, args, server)
        interrupt.is_allowed = False
    except JobInterrupted:
        return {"interrupted": True}, b""
    return response


def _run(handler: Handler, data: JobInput, args: dict[str, Any], server: "_Server") -> Response:
    server.has_reserved = False
    try:
        facts, result = handler(data, args, server.reserve)
    except JobRefused as error:
        return {"refused": [error.code, error.reason[:500]]}, b""
    except MemoryError:
        return {"refused": ["memory", "MemoryError"]}, b""
    except Exception as error:  # noqa: BLE001 - a failed job must not end the child; it is reported
        # The place, not the message, which may quote the file.
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"failed": f"{type(error).__name__} at {last.filename}:{last.lineno}"}, b""
    return {"done": facts}, result


class _Server:
    """The server as the child sees it: a socket with blocking reads and writes."""

    def __init__(
        self, arguments: ChildArguments, allocator: Allocator, interrupt: _Interrupt
    ) -> None:
        self._socket_fd = arguments.socket_fd
        self._base_memory_bytes = arguments.base_memory_bytes
        self._max_work_ms = arguments.max_work_ms
        self._allocator = allocator
        self._interrupt = interrupt
        self.has_reserved = False

    def reserve(self, memory_bytes: int, work_ms: float = 0, /) -> None:
        """See `handler.Reserve`."""
        if (
            memory_bytes and self.has_reserved
        ):  # a job that waits while it holds memory could wait for ever
            raise RuntimeError("a job may reserve memory only once")
        self.has_reserved = self.has_reserved or memory_bytes > 0
        is_long = self._max_work_ms is not None and work_ms > self._max_work_ms
        if memory_bytes <= self._base_memory_bytes and not is_long:
            return
        self._interrupt.is_allowed = False  # the response must be read
        self.send({"reserve": int(memory_bytes), "is_long": is_long})
        response = self.receive()
        if response is None:
            sys.exit(0)
        self._interrupt.is_allowed = True
        if not response["granted"]:
            raise JobRefused("memory", f"{memory_bytes} bytes were not granted")
        self._allocator.prepare_for_large_job()

    def send(self, message: dict[str, Any], body: bytes = b"") -> None:
        rest = memoryview(ipc.encode_message(message, body))
        while rest:
            rest = rest[os.write(self._socket_fd, rest) :]

    def receive(self) -> dict[str, Any] | None:
        """The server's next message; None when the server has closed the socket."""
        header = self._read(ipc.HEADER.size)
        return ipc.decode_message(self._read(ipc.parse_header(header)[0])) if header else None

    def _read(self, size_bytes: int) -> bytes:
        parts = []
        while size_bytes:
            part = os.read(self._socket_fd, size_bytes)
            if not part:
                return b""
            parts.append(part)
            size_bytes -= len(part)
        return b"".join(parts)
