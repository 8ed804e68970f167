"""What one fetch holds: its part of the budget for bytes in flight, and the memory itself."""

import asyncio
import mmap
from types import TracebackType
from typing import Self

from app.runtime.semaphore import WeightedSemaphore

SMALL_BYTES = 1024 * 1024
"""What each fetch may hold without asking; most pictures of the web stay below it."""

_STEP_BYTES = 2 * SMALL_BYTES
"""Giving back a megabyte of memory takes some 0.15 ms, and others' requests go between."""


class ByteLease:
    """What a fetch holds of the budget beyond SMALL_BYTES, given back when its block ends.

    The first SMALL_BYTES are bounded by how many requests are in work at once: a small picture
    waits for nobody, however many large ones wait for their turn. A fetch that needs more asks
    once, for all that it can come to need, so that no two can wait for each other.
    """

    def __init__(self, budget: WeightedSemaphore) -> None:
        self._budget = budget
        self._memory: list[mmap.mmap] = []
        self.held_bytes = 0

    async def grow_to(self, size_bytes: int) -> None:
        """Have room for `size_bytes`; waits its turn. Never asks for more than there is at all."""
        more = self._beyond_small(size_bytes) - self.held_bytes
        if more > 0:
            await self._budget.acquire(more)
            self.held_bytes += more

    def shrink_to(self, size_bytes: int) -> None:
        """Give back what is held beyond the need for `size_bytes`."""
        spare = self.held_bytes - self._beyond_small(size_bytes)
        if spare > 0:
            self.held_bytes -= spare
            self._budget.release(spare)

    def covers(self, size_bytes: int) -> bool:
        """Whether there is room for so many bytes, or all that there is is held."""
        return self.held_bytes >= self._beyond_small(size_bytes)

    def memory(self, size_bytes: int) -> mmap.mmap:
        """So much of it for a body, and none is taken until it is written to.

        A bytearray of 60 MB is cleared when it is made: 35 ms in which the event loop does nothing
        else. What is here is gone after the block, whoever still refers to it, and reads as zeros.
        """
        # Private: pages that processes could share would not go before the last of them is.
        memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._memory.append(memory)
        return memory

    async def _forget(self) -> None:
        if not hasattr(mmap, "MADV_DONTNEED"):
            return  # then it goes when nobody refers to it any more
        for memory in self._memory:
            for at in range(0, len(memory), _STEP_BYTES):
                memory.madvise(mmap.MADV_DONTNEED, at, min(_STEP_BYTES, len(memory) - at))
                await asyncio.sleep(0)

    def _beyond_small(self, size_bytes: int) -> int:
        return min(max(0, size_bytes - SMALL_BYTES), self._budget.total)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._forget()
        finally:
            self.shrink_to(0)
