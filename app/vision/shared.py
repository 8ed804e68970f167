"""One look at a picture for all who ask about it: styles, locales and a second ask."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.runtime.deadline import Deadline
from app.vision.features import Features

MOST_KEPT = 128
"""Sights that stay known, some kilobytes each: equal pixels give equal facts, so none grows old."""

Look = Callable[[bytes, Deadline], Awaitable[Features]]


@dataclass(slots=True)
class _Pending:
    task: asyncio.Task[Features]
    waiting: int = field(default=0)


class SharedAnalyses:
    """Looks once at equal bytes, however many ask at once or soon after."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._known: OrderedDict[bytes, Features] = OrderedDict()
        self._pending: dict[bytes, _Pending] = {}

    async def at(self, jpeg: bytes, deadline: Deadline) -> Features:
        """The sight of a picture. Raises what the look raises; the work ends with the last caller.

        Who joins a look joins its deadline: those of one request are the same.
        """
        key = hashlib.sha256(jpeg).digest()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        pending = self._pending.get(key)
        if pending is None:
            task = asyncio.create_task(self._remembered(key, jpeg, deadline))
            pending = self._pending[key] = _Pending(task)
        pending.waiting += 1
        try:
            return await asyncio.shield(pending.task)
        finally:
            pending.waiting -= 1
            if not pending.waiting and not pending.task.done():
                self._forget(key, pending)
                pending.task.cancel()

    async def _remembered(self, key: bytes, jpeg: bytes, deadline: Deadline) -> Features:
        try:
            sight = await self._look(jpeg, deadline)
        finally:
            pending = self._pending.get(key)
            if pending is not None and pending.task is asyncio.current_task():
                del self._pending[key]
        self._known[key] = sight
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return sight

    def _forget(self, key: bytes, pending: _Pending) -> None:
        if self._pending.get(key) is pending:
            del self._pending[key]
