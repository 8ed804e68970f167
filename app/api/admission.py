"""Who may start work, who waits, and who is told at once that there is no room."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.semaphore import WeightedSemaphore

_SMOOTHING = 0.1
"""Weight of the newest request in the running mean of durations."""
_LONGEST_RETRY_AFTER_S = 30.0


class Admission:
    """At most `concurrency` requests in work and `queue` waiting, first in, first out."""

    def __init__(self, concurrency: int, queue: int, drain: Drain) -> None:
        self._places = WeightedSemaphore(concurrency)
        self._queue = queue
        self._drain = drain
        self._mean_s = 1.0

    @property
    def in_work(self) -> int:
        """Requests in work."""
        return self._places.used

    @property
    def waiting(self) -> int:
        """Requests waiting for a place."""
        return self._places.waiting

    def refusal(self) -> Overloaded | None:
        """What a request that came now would be told at once; None where it may come in or wait."""
        if self._drain.is_draining:
            return Overloaded("The server is restarting. Try again in a second.", retry_after_s=1)
        if self._places.used >= self._places.total and self._places.waiting >= self._queue:
            return Overloaded(log_reason="queue full", retry_after_s=self._retry_after_s())
        return None

    @asynccontextmanager
    async def place(self, deadline: Deadline) -> AsyncIterator[None]:
        """Hold one place. Raises Overloaded at once where the queue is full or the server stops,
        and at the deadline where no place came free."""
        if (refusal := self.refusal()) is not None:
            raise refusal
        if not self._places.try_acquire(1):
            try:
                async with self._drain.limit(deadline.left_s()):
                    await self._places.acquire(1)
            except TimeoutError:
                raise Overloaded(
                    log_reason="waited for a place until the deadline",
                    retry_after_s=self._retry_after_s(),
                ) from None
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._places.release(1)
            took_s = time.monotonic() - began_s
            self._mean_s += _SMOOTHING * (took_s - self._mean_s)

    def _retry_after_s(self) -> float:
        """When the queue as it stands now will have been worked off, by the mean of late."""
        seconds = self._mean_s * (self._places.waiting + 1) / self._places.total
        return min(_LONGEST_RETRY_AFTER_S, max(1.0, seconds))
