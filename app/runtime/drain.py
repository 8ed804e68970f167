"""Drain: from SIGTERM to the end of the process, so that no accepted request is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Drain:
    """Whether the server drains, and a limit for the work that is still in progress then.

    A drain has two phases. In the first, the notice, the server reports that it is not ready and
    still takes new work, so that a load balancer can notice in time. In the second it refuses.
    """

    def __init__(self) -> None:
        self.is_draining = False
        self.is_refusing = False
        self._ends_at_s: float | None = None
        self._timeouts: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """Report not ready from now on. Safe in a signal handler: it only sets a flag."""
        self.is_draining = True

    def refuse_new_work(self) -> None:
        """End the notice: new captions are refused from now on."""
        self.is_draining = self.is_refusing = True

    def shorten_timeouts(self, seconds: float) -> None:
        """End all work within `seconds`. The first call counts. On the event loop only."""
        if self._ends_at_s is not None:
            return
        self._ends_at_s = time.monotonic() + seconds
        loop_ends_at_s = asyncio.get_running_loop().time() + seconds
        for timeout in self._timeouts:
            when_s = timeout.when()
            if when_s is None or when_s > loop_ends_at_s:
                timeout.reschedule(loop_ends_at_s)

    def shorten(self, seconds: float) -> float:
        """`seconds`, or what is left of the drain, whichever is less."""
        if self._ends_at_s is None:
            return seconds
        return max(0.0, min(seconds, self._ends_at_s - time.monotonic()))

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """As asyncio.timeout(), and ended sooner where the drain ends sooner."""
        async with asyncio.timeout(self.shorten(seconds)) as timeout:
            self._timeouts.add(timeout)
            try:
                yield timeout
            finally:
                self._timeouts.discard(timeout)
