"""Weighted semaphore: an amount (bytes, places) that is shared in order of arrival."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WeightedSemaphore:
    """A semaphore of which each holder takes an amount, first in, first out.

    A later request never overtakes an earlier one, so that many small ones do not starve a large
    one. A request larger than the total gets the total, alone.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def try_acquire(self, amount: int) -> bool:
        """Acquire `amount` if that needs no waiting; whether it did."""
        amount = min(amount, self.total)
        if self._waiting or self.used + amount > self.total:
            return False
        self.used += amount
        return True

    async def acquire(self, amount: int) -> None:
        """Wait for `amount` and acquire it."""
        if self.try_acquire(amount):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((min(amount, self.total), granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release(amount)  # cancelled in the same tick as granted
            else:
                self._waiting = deque(w for w in self._waiting if w[1] is not granted)
                self._grant()
            raise

    def release(self, amount: int) -> None:
        """Give `amount` back and grant waiting requests that now fit, in order."""
        self.used -= min(amount, self.total)
        self._grant()

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """Acquire `amount` for the length of the block."""
        await self.acquire(amount)
        try:
            yield
        finally:
            self.release(amount)

    def _grant(self) -> None:
        while self._waiting and self.used + self._waiting[0][0] <= self.total:
            amount, granted = self._waiting.popleft()
            if granted.cancelled():
                continue
            self.used += amount
            granted.set_result(None)
