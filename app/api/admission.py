"""Admission: a place to work for each request, a bounded queue, and refusal beyond it.

Callers share places and queue fairly (FairSemaphore). Whether there is room for one of them is one
rule, `Admission.overload_error`, which is applied at two moments:

1. Load shedding (load_shedding.py) reads it before any work, so that a full server refuses at half
   the cost of a route. It reserves nothing: the request may still be unauthorised or invalid.
2. `Places.take` applies it and takes the place, once the body is read and valid, or before most of
   it is read where it has a large file. Requests that passed 1. at the same time may have taken the
   last place since.
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
_LARGE_FILES_FRACTION = 4
"""A quarter of the places may have an upload over 1 MiB that is being received or decoded. There is
memory for some of them at a time; the others wait without a place and nearly without memory."""


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
        large_files = max(1, concurrency // _LARGE_FILES_FRACTION)
        self.semaphore = FairSemaphore(concurrency, queue, clock=clock)
        self.large_files = FairSemaphore(large_files, queue, clock=clock)
        """Turns of large uploads; who has one then takes a place."""
        self.drain = drain
        self.clock = clock
        self._average_duration_s = 1.0

    @property
    def in_work(self) -> int:
        """Requests in work."""
        return self.semaphore.used

    @property
    def waiting(self) -> int:
        """Requests waiting for a place, or for the turn of their large file."""
        return self.semaphore.waiting + self.large_files.waiting

    def may_overload(self) -> bool:
        """Whether some caller gets an overload error now."""
        return self.drain.is_refusing or self.semaphore.is_nearly_full()

    def overload_error(self, caller: str = "") -> Overloaded | None:
        """The error for a request that arrives now; None where it gets a place or may wait."""
        if self.drain.is_refusing:
            return Overloaded("The server is restarting. Try again in a second.", retry_after_s=1)
        if not self.semaphore.has_room(caller):
            return Overloaded(log_reason="queue full", retry_after_s=self.estimate_wait_s())
        return None

    @asynccontextmanager
    async def places(self, caller: str = "") -> AsyncIterator["Places"]:
        """The places of one request, none until it takes them, given back when the block ends."""
        places = Places(self, caller)
        try:
            yield places
        finally:
            places.release()

    def estimate_wait_s(self) -> float:
        """Seconds until the requests that wait now have a place, at the average duration."""
        wait_s = self._average_duration_s * (self.semaphore.waiting + 1) / self.semaphore.total
        return min(_RETRY_AFTER_MAX_S, max(_RETRY_AFTER_MIN_S, wait_s))

    def note_duration(self, took_s: float) -> None:
        """A request held its places for so long."""
        self._average_duration_s += _SMOOTHING * (took_s - self._average_duration_s)


class Places:
    """The places to work of one request, and the turn of its large file."""

    def __init__(self, admission: Admission, caller: str) -> None:
        self.caller = caller
        self._admission = admission
        self._count = 0
        self._began_s = 0.0
        self._has_turn = False

    async def take(self, deadline: Deadline, *, wanted: int = 1) -> int:
        """Hold a place, and up to `wanted` where they are free; how many it holds now.

        A request for twelve captions is as much work as twelve requests.

        Raises Overloaded at once where the queue is full or a drain has come to refuse new work,
        and at the deadline where no place became free.
        """
        semaphore = self._admission.semaphore
        if not self._count:
            if (error := self._admission.overload_error(self.caller)) is not None:
                raise error
            await self._wait(semaphore, deadline)
            self._count, self._began_s = 1, self._admission.clock()
        while self._count < wanted and semaphore.try_acquire(self.caller):
            self._count += 1
        return self._count

    async def take_turn_of_large_file(self, deadline: Deadline) -> None:
        """Wait until this request may take a place for a large file. Raises Overloaded."""
        large_files = self._admission.large_files
        if (error := self._admission.overload_error(self.caller)) is not None:
            raise error
        if not large_files.has_room(self.caller):
            retry_after_s = self._admission.estimate_wait_s()
            raise Overloaded(log_reason="too many large files", retry_after_s=retry_after_s)
        await self._wait(large_files, deadline)
        self._has_turn = True

    def end_turn_of_large_file(self) -> None:
        """The file's memory is free."""
        if self._has_turn:
            self._has_turn = False
            self._admission.large_files.release(self.caller)

    def release(self) -> None:
        """Give everything back."""
        self.end_turn_of_large_file()
        if self._count:
            self._admission.note_duration(self._admission.clock() - self._began_s)
        while self._count:
            self._count -= 1
            self._admission.semaphore.release(self.caller)

    async def _wait(self, semaphore: FairSemaphore, deadline: Deadline) -> None:
        if semaphore.try_acquire(self.caller):
            return
        try:
            async with self._admission.drain.timeout(deadline.left_s()):
                await semaphore.acquire(self.caller)
        except TimeoutError:
            raise Overloaded(
                log_reason="waited for a place until the deadline",
                retry_after_s=self._admission.estimate_wait_s(),
            ) from None
