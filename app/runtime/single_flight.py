"""Single flight: equal work that several callers need at the same time is done once.

Like golang.org/x/sync/singleflight, with one difference: each waiter keeps its own deadline. Who
joins work that another caller began must not fail because that caller had little time left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.runtime.deadline import Deadline

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

Work = Callable[[Deadline], Awaitable[T]]
"""Work that ends by itself at the deadline that it is given."""

_MIN_ATTEMPT_S = 0.001
"""A waiter with less time left is not worth another attempt."""


class SingleFlight(Generic[K, T]):
    """Runs work once for all callers that wait for it under the same key.

    They share the result, and every error except those in `unshared`: errors that depend on the
    deadline or on a queue. An attempt gets the latest deadline of those who wait when it begins,
    so an unshared error is final for them. For those who joined later the work is tried again,
    with the latest of their deadlines.
    """

    def __init__(self, *, unshared: tuple[type[Exception], ...]) -> None:
        self._unshared = unshared
        self._flights: dict[K, _Flight[T]] = {}

    def __len__(self) -> int:
        """How many pieces of work are in flight."""
        return len(self._flights)

    async def run(self, key: K, deadline: Deadline, work: Work[T]) -> tuple[T, bool]:
        """The result of the work, and whether it is another waiter's: False for exactly one.

        Raises what the work raises, and TimeoutError at `deadline` where the attempt was given a
        later one. The work is cancelled when the last waiter leaves.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(self._unshared)
            flight.task = asyncio.create_task(self._fly(key, flight, work))
        try:
            return await flight.join(deadline)
        finally:
            if not flight.waiters:
                self._remove(key, flight)
                await flight.stop()

    async def aclose(self) -> None:
        """Cancel all work and everyone who waits for it."""
        flights = list(self._flights.values())
        self._flights.clear()
        for flight in flights:
            await flight.stop()

    async def _fly(self, key: K, flight: "_Flight[T]", work: Work[T]) -> None:
        try:
            await flight.run(work)
        finally:
            self._remove(key, flight)
            flight.cancel_waiters()

    def _remove(self, key: K, flight: "_Flight[T]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


@dataclass(slots=True, eq=False)
class _Waiter(Generic[T]):
    deadline: Deadline
    outcome: asyncio.Future[tuple[T, bool]]


class _Flight(Generic[T]):
    """One piece of work and those who wait for it."""

    task: asyncio.Task[None]

    def __init__(self, unshared: tuple[type[Exception], ...]) -> None:
        self.waiters: list[_Waiter[T]] = []
        self._unshared = unshared
        self._deadline: Deadline | None = None
        """What the current attempt was given."""

    async def join(self, deadline: Deadline) -> tuple[T, bool]:
        loop = asyncio.get_running_loop()
        waiter = _Waiter[T](deadline, loop.create_future())
        self.waiters.append(waiter)
        timer = loop.call_later(deadline.left_s(), self._expire, waiter)
        try:
            return await waiter.outcome
        finally:
            timer.cancel()
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    async def run(self, work: Work[T]) -> None:
        """Attempt the work until no one waits for it any more."""
        while self.waiters:
            present = list(self.waiters)
            self._deadline = max((waiter.deadline for waiter in present), key=lambda d: d.at_s)
            try:
                result = await work(self._deadline)
            except self._unshared as error:
                late = [w for w in self.waiters if w.deadline.left_s() < _MIN_ATTEMPT_S]
                self._fail([*present, *late], error)
            except Exception as error:  # noqa: BLE001 - raised again by every waiter
                self._fail(self.waiters, error)
            else:
                self._succeed(result)

    async def stop(self) -> None:
        """Cancel the work and wait until it has let go of what it holds."""
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])
        self.cancel_waiters()

    def cancel_waiters(self) -> None:
        for waiter in self.waiters:
            waiter.outcome.cancel()
        self.waiters.clear()

    def _expire(self, waiter: _Waiter[T]) -> None:
        # At its own deadline an attempt ends by itself, with an error that says more.
        if waiter.deadline != self._deadline:
            self._fail([waiter], TimeoutError())

    def _succeed(self, result: T) -> None:
        is_taken = False
        for waiter in self.waiters:
            if not waiter.outcome.done():
                waiter.outcome.set_result((result, is_taken))
                is_taken = True
        self.waiters.clear()

    def _fail(self, waiters: Iterable[_Waiter[T]], error: Exception) -> None:
        for waiter in list(waiters):
            if waiter in self.waiters:
                self.waiters.remove(waiter)
                if not waiter.outcome.done():
                    waiter.outcome.set_exception(error)
