"""Weighted semaphore: an amount (bytes, places) that callers share."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WeightedSemaphore:
    """A semaphore of which each holder takes an amount.

    The next one is of the caller who holds the least, among equals of the one served longest ago;
    requests of one caller, or without one, are served in order of arrival. A later request never
    overtakes the next one, so that many small ones do not starve a large one. A request larger
    than the total gets the total, alone.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}
        self._served = 0
        self._last_served: dict[str, int] = {}
        """Of callers that hold or wait, when each was last served, counted in requests served."""

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._waiting.values()))

    def try_acquire(self, amount: int, caller: str = "") -> bool:
        """Acquire `amount` if that needs no waiting; whether it did."""
        amount = min(amount, self.total)
        if self._waiting or self.used + amount > self.total:
            return False
        self._take(amount, caller)
        return True

    async def acquire(self, amount: int, caller: str = "") -> None:
        """Wait for `amount` and acquire it."""
        if self.try_acquire(amount, caller):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (min(amount, self.total), granted)
        self._waiting.setdefault(caller, deque()).append(waiter)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release(amount, caller)  # cancelled in the same tick as granted
            else:
                self._remove(caller, waiter)
                self._grant()
            raise

    def release(self, amount: int, caller: str = "") -> None:
        """Give `amount` back and grant waiting requests that now fit, in order."""
        amount = min(amount, self.total)
        self.used -= amount
        self._held[caller] -= amount
        self._forget_absent(caller)
        self._grant()

    @asynccontextmanager
    async def hold(self, amount: int, caller: str = "") -> AsyncIterator[None]:
        """Acquire `amount` for the length of the block."""
        await self.acquire(amount, caller)
        try:
            yield
        finally:
            self.release(amount, caller)

    def _take(self, amount: int, caller: str) -> None:
        self.used += amount
        self._held[caller] += amount
        self._served += 1
        self._last_served[caller] = self._served

    def _grant(self) -> None:
        while self._waiting:
            caller = min(
                self._waiting, key=lambda name: (self._held[name], self._last_served.get(name, 0))
            )
            amount, granted = waiter = self._waiting[caller][0]
            if not granted.cancelled():
                if self.used + amount > self.total:
                    return
                self._take(amount, caller)
                granted.set_result(None)
            self._remove(caller, waiter)

    def _remove(self, caller: str, waiter: tuple[int, "asyncio.Future[None]"]) -> None:
        waiting = self._waiting.get(caller, deque())
        if waiter in waiting:
            waiting.remove(waiter)
            if not waiting:
                del self._waiting[caller]
                self._forget_absent(caller)

    def _forget_absent(self, caller: str) -> None:
        if self._held[caller] <= 0:
            del self._held[caller]
            if caller not in self._waiting:
                self._last_served.pop(caller, None)
