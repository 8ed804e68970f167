"""Byte lease: the memory that one fetch holds, as part of the limit for all fetches together."""

import asyncio
import mmap
from types import TracebackType
from typing import Self

from app.runtime.semaphore import WeightedSemaphore

FREE_BYTES = 1024 * 1024
"""What each fetch may hold without acquiring it. Most images of the web are smaller."""

_RELEASE_STEP_BYTES = 2 * FREE_BYTES
"""Returning a megabyte of memory to the system takes 0.15 ms. Other tasks run between two steps."""


class ByteLease:
    """The bytes that a fetch holds of a semaphore, released when its block ends.

    The first FREE_BYTES are free, bounded by the number of requests in work: a small image never
    waits behind large ones. A fetch that needs more acquires all that it may come to need at once,
    so that no two fetches can wait for each other.
    """

    def __init__(self, semaphore: WeightedSemaphore, caller: str = "") -> None:
        self._semaphore = semaphore
        self._caller = caller
        self._buffers: list[mmap.mmap] = []
        self.held_bytes = 0

    def covers(self, size_bytes: int) -> bool:
        """Whether `size_bytes` are leased, or the whole semaphore is."""
        return self.held_bytes >= self._chargeable(size_bytes)

    async def grow_to(self, size_bytes: int) -> None:
        """Wait until `size_bytes` are leased, or the whole semaphore where they are more."""
        more = self._chargeable(size_bytes) - self.held_bytes
        if more > 0:
            await self._semaphore.acquire(more, self._caller)
            self.held_bytes += more

    def shrink_to(self, size_bytes: int) -> None:
        """Release what is leased beyond `size_bytes`."""
        spare = self.held_bytes - self._chargeable(size_bytes)
        if spare > 0:
            self.held_bytes -= spare
            self._semaphore.release(spare, self._caller)

    def allocate(self, size_bytes: int) -> mmap.mmap:
        """A buffer for a body, of which the system provides a page when it is first written to.

        A bytearray of 60 MB is cleared when it is made, which holds the event loop for 35 ms. The
        memory is freed with the block. A buffer that is still referred to then reads as zeros.
        """
        # Private: pages that are shared between processes are only freed with the last of them.
        buffer = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._buffers.append(buffer)
        return buffer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.release()

    async def release(self) -> None:
        """Free the buffers and release all bytes."""
        try:
            await self._free_buffers()
        finally:
            self._buffers.clear()
            self.shrink_to(0)

    async def _free_buffers(self) -> None:
        if not hasattr(mmap, "MADV_DONTNEED"):
            return  # then the memory ends with the last reference to it
        for buffer in self._buffers:
            for start in range(0, len(buffer), _RELEASE_STEP_BYTES):
                length = min(_RELEASE_STEP_BYTES, len(buffer) - start)
                buffer.madvise(mmap.MADV_DONTNEED, start, length)
                await asyncio.sleep(0)

    def _chargeable(self, size_bytes: int) -> int:
        return min(max(0, size_bytes - FREE_BYTES), self._semaphore.total)
