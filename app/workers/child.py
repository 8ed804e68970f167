"""The child process: warms up, shuts every door, then does one job after the other.

It is started by `process.py` with everything it needs in one JSON argument, and imports nothing
of the server but its handlers. See `limits.py` for what it cannot do.
"""

import gc
import importlib
import mmap
import os
import sys
import traceback
from typing import Any, TypeAlias

from app.workers import confinement, ipc
from app.workers.handler import Handler, Input, Refuse

Answer: TypeAlias = tuple[dict[str, Any], bytes]
"""What a job came to, and the bytes that it made."""


def main(plan: dict[str, Any]) -> None:
    """Serve until the parent's end of the socket closes."""
    confinement.die_with(plan["parent_pid"])
    confinement.step_back(plan["niceness"], as_batch=not plan["express"])
    handlers = _warm(plan["handlers"])
    # Mapped once, for good: with no descriptor to spare it could not be mapped again. It takes
    # no memory until the parent writes a job's bytes into it.
    inbox = mmap.mmap(plan["inbox"], plan["input_max_bytes"], prot=mmap.PROT_READ)
    memory = confinement.OwnMemory()
    allocator = confinement.Allocator(plan["kept_bytes"])
    mapped = memory.mapped_bytes()
    most = mapped + plan["memory_bytes"] if mapped else 0
    gc.collect()
    gc.freeze()
    missing = confinement.confine(most)
    parent = _Parent(plan["socket"], plan["free_bytes"], plan["free_ms"], allocator)
    parent.say({"ready": True, "mapped_bytes": mapped, "missing": missing})
    while (ask := parent.hear()) is not None:
        data = Input(memoryview(inbox)[: ask["size"]])
        answer, result = _do(handlers[ask["job"]], data, ask["args"], parent)
        del data
        gc.collect()  # an exception's frames hold pictures in circles; gone before "done" is said
        allocator.keep()
        memory.give_back()
        answer["mapped_bytes"] = memory.mapped_bytes()
        parent.send(ipc.pack(answer, result))


def _warm(handlers: dict[str, str]) -> dict[str, Handler]:
    found: dict[str, Handler] = {}
    for name, place in handlers.items():
        module_name, _, function = place.partition(":")
        module = importlib.import_module(module_name)
        if hasattr(module, "warm_up"):
            module.warm_up()
        found[name] = getattr(module, function)
    return found


def _do(handler: Handler, data: Input, args: dict[str, Any], parent: "_Parent") -> Answer:
    parent.asked_for_room = False
    try:
        facts, result = handler(data, args, parent.room)
    except Refuse as error:
        return {"refused": [error.code, error.detail, error.reason[:500]]}, b""
    except MemoryError:
        return {"refused": ["memory", "It takes too much memory.", "MemoryError"]}, b""
    except Exception as error:  # noqa: BLE001 - one bad job must not end the child; it is reported
        # The place, not the message: that may quote the stranger's file.
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"failed": f"{type(error).__name__} at {last.filename}:{last.lineno}"}, b""
    return {"done": facts}, result


class _Parent:
    """The server, as its child sees it: a socket that is read and written blocking."""

    def __init__(
        self,
        descriptor: int,
        free_bytes: int,
        free_ms: float | None,
        allocator: confinement.Allocator,
    ) -> None:
        self._descriptor = descriptor
        self._free_bytes = free_bytes
        self._free_ms = free_ms
        self._allocator = allocator
        self.asked_for_room = False

    def room(self, amount_bytes: int, work_ms: float = 0, /) -> None:
        """See `job.Room`."""
        if self.asked_for_room:  # who waits while holding could wait for ever
            raise RuntimeError("room is asked for once per job")
        self.asked_for_room = True
        is_long = self._free_ms is not None and work_ms > self._free_ms
        if amount_bytes <= self._free_bytes and not is_long:
            return  # nobody has to be asked for that, and more the kernel would not give
        self.say({"room": int(amount_bytes), "long": is_long})
        answer = self.hear()
        if answer is None:
            sys.exit(0)
        if not answer["go"]:
            raise Refuse("memory", "It takes too much memory.", f"asked for {amount_bytes} bytes")
        self._allocator.give_back()

    def say(self, message: dict[str, Any]) -> None:
        self.send(ipc.pack(message))

    def send(self, packed: bytes) -> None:
        rest = memoryview(packed)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def hear(self) -> dict[str, Any] | None:
        """The parent's next message, None when it has gone."""
        head = self._read(ipc.HEAD.size)
        return ipc.unpack(self._read(ipc.lengths(head)[0])) if head else None

    def _read(self, amount: int) -> bytes:
        parts = []
        while amount:
            part = os.read(self._descriptor, amount)
            if not part:
                return b""
            parts.append(part)
            amount -= len(part)
        return b"".join(parts)
