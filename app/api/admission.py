"""Admission: a place to work for each request, a bounded queue, and refusal beyond it.

Callers share places and queue fairly (FairSemaphore). Whether there is room for one of them is one
rule, `Admission.overload_error`, which is applied at two moments:

1. Load shedding (load_shedding.py) reads it before any work, so that a full server refuses at half
   the cost of a route. It reserves nothing: the request may still be unauthorised or invalid.
2. `Admission.admit` applies it and reserves the place, once the body is read and valid. Requests
   that passed 1. at the same time may have taken the last place since.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.fair_semaphore import FairSemaphore

_SMOOTHING = 0.1
"""Weight of the newest request in the moving average of durations."""
_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S = 1.0, 30.0


class Admission:
    """At most `concurrency` requests in work and `queue` waiting, in fair turns of callers."""

    def __init__(
        self,
        concurrency: int,
        queue: int,
        drain: Drain,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places = FairSemaphore(concurrency, queue, clock=clock)
        self._drain = drain
        self._clock = clock
        self._average_duration_s = 1.0

    @property
    def in_work(self) -> int:
        """Requests in work."""
        return self._places.used

    @property
    def waiting(self) -> int:
        """Requests waiting for a place."""
        return self._places.waiting

    def may_overload(self) -> bool:
        """Whether some caller gets an overload error now."""
        return self._drain.is_refusing or self._places.is_nearly_full()

    def overload_error(self, caller: str = "") -> Overloaded | None:
        """The error for a request that arrives now; None where it gets a place or may wait."""
        if self._drain.is_refusing:
            return Overloaded("The server is restarting. Try again in a second.", retry_after_s=1)
        if not self._places.has_room(caller):
            return Overloaded(log_reason="queue full", retry_after_s=self._estimate_wait_s())
        return None

    @asynccontextmanager
    async def admit(
        self, deadline: Deadline, *, caller: str = "", wanted: int = 1
    ) -> AsyncIterator[int]:
        """Hold a place for the length of the block, and up to `wanted` where they are free.

        Yields their number: a request for twelve captions is as much work as twelve requests.

        Raises Overloaded at once where the queue is full or a drain has come to refuse new work,
        and at the deadline where no place became free.
        """
        if (error := self.overload_error(caller)) is not None:
            raise error
        if not self._places.try_acquire(caller):
            try:
                async with self._drain.timeout(deadline.left_s()):
                    await self._places.acquire(caller)
            except TimeoutError:
                raise Overloaded(
                    log_reason="waited for a place until the deadline",
                    retry_after_s=self._estimate_wait_s(),
                ) from None
        places = 1
        while places < wanted and self._places.try_acquire(caller):
            places += 1
        began_s = self._clock()
        try:
            yield places
        finally:
            for _ in range(places):
                self._places.release(caller)
            took_s = self._clock() - began_s
            self._average_duration_s += _SMOOTHING * (took_s - self._average_duration_s)

    def _estimate_wait_s(self) -> float:
        """Seconds until the requests that wait now have a place, at the average duration."""
        wait_s = self._average_duration_s * (self._places.waiting + 1) / self._places.total
        return min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, wait_s))
