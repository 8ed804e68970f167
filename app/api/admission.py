"""Admission: a place to work for each caption request, a bounded queue, and refusal beyond it.

Whether there is room is one rule, `Admission.overload_error`, which is applied at two moments:

1. Load shedding (load_shedding.py) reads it before any work, so that a full server refuses at half
   the cost of a route. It reserves nothing: the request may still be unauthorised or invalid.
2. `Admission.admit` applies it and reserves the place, once the body is read and valid. Requests
   that passed 1. at the same time may have taken the last place since.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.workers.fair_queue import FairnessKey, FairQueue

_SMOOTHING = 0.1
"""Weight of the newest request in the moving average of durations."""
_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S = 1.0, 30.0


class Admission:
    """At most `concurrency` requests in work and `queue` waiting, in fair turns by caller.

    Those of one caller are admitted first in, first out.
    """

    def __init__(
        self,
        concurrency: int,
        queue: int,
        drain: Drain,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._concurrency = concurrency
        self._queue = queue
        self._in_work: list[FairnessKey] = []
        self._waiting: FairQueue[None] = FairQueue()
        self._drain = drain
        self._clock = clock
        self._average_duration_s = 1.0

    @property
    def in_work(self) -> int:
        """Requests in work."""
        return len(self._in_work)

    @property
    def waiting(self) -> int:
        """Requests waiting for a place."""
        return len(self._waiting)

    def overload_error(self) -> Overloaded | None:
        """The error for a request that arrives now; None where it gets a place or may wait."""
        if self._drain.is_refusing:
            return Overloaded("The server is restarting. Try again in a second.", retry_after_s=1)
        if self.in_work >= self._concurrency and self.waiting >= self._queue:
            return Overloaded(log_reason="queue full", retry_after_s=self._estimate_wait_s())
        return None

    @asynccontextmanager
    async def admit(self, deadline: Deadline, *, caller: str = "") -> AsyncIterator[None]:
        """Hold one place for the length of the block.

        Raises Overloaded at once where the queue is full or a drain has come to refuse new work,
        and at the deadline where no place became free.
        """
        if (error := self.overload_error()) is not None:
            raise error
        key = (caller,)
        if self.in_work < self._concurrency:
            self._in_work.append(key)
        else:
            try:
                async with self._drain.timeout(deadline.left_s()):
                    await self._wait_for_place(key)
            except TimeoutError:
                raise Overloaded(
                    log_reason="waited for a place until the deadline",
                    retry_after_s=self._estimate_wait_s(),
                ) from None
        began_s = self._clock()
        try:
            yield
        finally:
            self._release(key)
            took_s = self._clock() - began_s
            self._average_duration_s += _SMOOTHING * (took_s - self._average_duration_s)

    async def _wait_for_place(self, key: FairnessKey) -> None:
        granted = self._waiting.enqueue(may_express=False, fairness_key=key)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release(key)  # cancelled in the same tick as granted
            raise

    def _release(self, key: FairnessKey) -> None:
        """Give the place of a request to the caller whose turn it is."""
        queued = self._waiting.dequeue(is_express=False, in_work=self._in_work)
        self._in_work.remove(key)
        if queued is not None:
            self._in_work.append(queued.fairness_key)
            queued.future.set_result(None)

    def _estimate_wait_s(self) -> float:
        """Seconds until the requests that wait now have a place, at the average duration."""
        wait_s = self._average_duration_s * (self.waiting + 1) / self._concurrency
        return min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, wait_s))
