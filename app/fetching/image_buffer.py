"""Image buffer: the bytes of one image file as far as they have arrived, within every limit."""

import mmap
from collections.abc import Awaitable, Callable

from app.fetching.byte_lease import FREE_BYTES, ByteLease
from app.imaging.errors import ImageTooLarge
from app.runtime.bandwidth import BandwidthLimiter

_CHUNKS_PER_TURN = 8
"""Chunks of up to 256 KB are 2 MB and some 1.5 ms. Then other tasks run."""


class ImageBuffer:
    """What arrives is counted; the expected size is only a hint."""

    def __init__(
        self,
        lease: ByteLease,
        lease_bytes: Callable[[int], Awaitable[None]],
        bandwidth: BandwidthLimiter,
        *,
        max_bytes: int,
        expected_bytes: int | None,
    ) -> None:
        """`lease_bytes` waits until so many bytes are leased."""
        self._lease = lease
        self._lease_bytes = lease_bytes
        self._bandwidth = bandwidth
        self._max_bytes = max_bytes
        self._expected_bytes = max_bytes if expected_bytes is None else expected_bytes
        self.size = 0
        """Bytes that have arrived."""
        self._chunks = 0
        self._throttled_bytes = 0
        # Allocated at once where the size is known: a growing buffer leaves holes in the heap.
        self._buffer: bytearray | mmap.mmap = bytearray(
            0 if expected_bytes is None else min(expected_bytes, FREE_BYTES)
        )

    def view(self) -> memoryview:
        """Everything so far."""
        return memoryview(self._buffer)[: self.size].toreadonly()

    async def append(self, chunk: bytes | memoryview) -> None:
        """Add a chunk. Raises ImageTooLarge."""
        size = self.size + len(chunk)
        await self._throttle(size)
        if size > self._max_bytes:
            raise ImageTooLarge.over_bytes(self._max_bytes)
        if not self._lease.covers(size):
            # All that the file may need, as soon as it needs more than is leased.
            await self._lease_bytes(max(size, self._expected_bytes))
        if size > len(self._buffer):
            self._enlarge_buffer(size)
        self._buffer[self.size : size] = chunk
        self.size = size

    async def _throttle(self, size: int) -> None:
        self._chunks += 1
        if self._chunks % _CHUNKS_PER_TURN == 0:
            moved, self._throttled_bytes = size - self._throttled_bytes, size
            await self._bandwidth.throttle(moved, size)

    def _enlarge_buffer(self, size: int) -> None:
        """Copy into a larger buffer; past FREE_BYTES into one for the whole file, once."""
        larger: bytearray | mmap.mmap
        if size > FREE_BYTES:
            larger = self._lease.allocate(max(size, min(self._expected_bytes, self._max_bytes)))
        else:
            larger = bytearray(max(size, 2 * len(self._buffer)))
        larger[: self.size] = memoryview(self._buffer)[: self.size]
        self._buffer = larger
