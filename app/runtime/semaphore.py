"""A shared amount (bytes, megapixels, places) that is waited for in order of arrival."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WeightedSemaphore:
    """A weighted semaphore, first in, first out.

    Whoever waits holds nothing of what it waits for, and whoever comes later does not overtake,
    so a large request is not starved by many small ones.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def try_acquire(self, amount: int) -> bool:
        """Take `amount` at once, or nothing. An amount over the total counts as the total."""
        amount = min(amount, self.total)
        if self._waiting or self.used + amount > self.total:
            return False
        self.used += amount
        return True

    async def acquire(self, amount: int) -> None:
        """Wait for `amount`. An amount over the total counts as the total: it gets it alone."""
        if self.try_acquire(amount):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((min(amount, self.total), granted))
        try:
            await granted
        except asyncio.CancelledError:
            # Cancelled in the same tick as granted: what was granted goes back.
            if granted.done() and not granted.cancelled():
                self.release(amount)
            else:
                self._waiting = deque(w for w in self._waiting if w[1] is not granted)
                self._grant()
            raise

    def release(self, amount: int) -> None:
        """Give `amount` back and wake whoever now fits, in order."""
        self.used -= min(amount, self.total)
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self.used + self._waiting[0][0] <= self.total:
            amount, granted = self._waiting.popleft()
            if granted.cancelled():
                continue
            self.used += amount
            granted.set_result(None)

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """Acquire `amount` for the length of the block."""
        await self.acquire(amount)
        try:
            yield
        finally:
            self.release(amount)
