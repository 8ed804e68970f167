"""Stopping without losing anyone: what changes between SIGTERM and the end of the process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Drain:
    """Says whether the process is stopping, and shortens the deadlines of the work still in it."""

    def __init__(self) -> None:
        self.is_draining = False
        self._until_s: float | None = None
        self._running: set[asyncio.Timeout] = set()

    def begin(self) -> None:
        """Not ready from now on. Safe in a signal handler: it sets one flag."""
        self.is_draining = True

    def shorten(self, seconds: float) -> None:
        """All work must be answered within `seconds`; on the event loop only."""
        if self._until_s is not None:
            return
        self._until_s = time.monotonic() + seconds
        until_loop_s = asyncio.get_running_loop().time() + seconds
        for timeout in self._running:
            when = timeout.when()
            if when is None or when > until_loop_s:
                timeout.reschedule(until_loop_s)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """The block ends after `seconds` or with the drain; TimeoutError says that it did."""
        if self._until_s is not None:
            seconds = max(0.0, min(seconds, self._until_s - time.monotonic()))
        async with asyncio.timeout(seconds) as timeout:
            self._running.add(timeout)
            try:
                yield timeout
            finally:
                self._running.discard(timeout)
