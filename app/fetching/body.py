"""Reads the body of an origin's response, within every limit that applies while it arrives."""

import mmap
from collections.abc import AsyncIterator

from app.fetching.byte_lease import FREE_BYTES
from app.fetching.progress import FetchProgress
from app.fetching.response_policy import ResponseHead, tiny_chunks
from app.imaging.errors import ImageTooLarge
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.fair_loop import bulk_work
from app.runtime.piece_limit import PieceLimit

_FREE_CHUNKS, _MIN_CHUNK_BYTES = 4096, 512
"""A chunk takes some 50 us of the event loop, however small it is. The first ones are for small
images; the others must have a size on average. Servers write kilobytes at a time."""
_CHUNKS_PER_TURN = 8
"""Chunks of up to 256 KB are 2 MB and some 1.5 ms. Then other tasks run."""


class ResponseBody:
    """The body as far as it has arrived. What arrives is counted; Content-Length is only a hint."""

    def __init__(
        self,
        head: ResponseHead,
        max_bytes: int,
        progress: FetchProgress,
        bandwidth: BandwidthLimiter,
    ) -> None:
        self._max_bytes = max_bytes
        self._expected_bytes = max_bytes if head.content_length is None else head.content_length
        self._progress = progress
        self._bandwidth = bandwidth
        self._size = 0
        self._chunks = PieceLimit(_FREE_CHUNKS, _MIN_CHUNK_BYTES)
        self._throttled_bytes = 0
        # Allocated at once where the length is known: a growing buffer leaves holes in the heap.
        self._buffer: bytearray | mmap.mmap = bytearray(
            0 if head.content_length is None else min(head.content_length, FREE_BYTES)
        )

    async def read(self, chunks: AsyncIterator[bytes], until_bytes: int | None) -> memoryview:
        """Everything so far, once at least `until_bytes` or the whole body has arrived.

        Raises ImageTooLarge, and ImageCorrupt where the chunks are too small.
        """
        end = self._max_bytes if until_bytes is None else until_bytes
        if await self._read_to(min(end, FREE_BYTES), chunks):
            with bulk_work():
                await self._read_to(until_bytes, chunks)
        return memoryview(self._buffer)[: self._size].toreadonly()

    async def _read_to(self, until_bytes: int | None, chunks: AsyncIterator[bytes]) -> bool:
        """Read on; whether there may be more."""
        while until_bytes is None or self._size < until_bytes:
            chunk = await anext(chunks, None)
            if chunk is None:
                return False
            size = self._size + len(chunk)
            await self._count_chunk(len(chunk), size)
            if size > self._max_bytes:
                raise ImageTooLarge.over_bytes(self._max_bytes)
            await self._progress.lease_bytes(self._bytes_to_lease(size))
            if size > len(self._buffer):
                self._enlarge_buffer(size)
            self._buffer[self._size : size] = chunk
            self._size = size
        return True

    async def _count_chunk(self, chunk_bytes: int, size: int) -> None:
        if not self._chunks.add(chunk_bytes):
            raise tiny_chunks()
        if self._chunks.pieces % _CHUNKS_PER_TURN == 0:
            moved, self._throttled_bytes = size - self._throttled_bytes, size
            await self._bandwidth.throttle(moved, size)

    def _bytes_to_lease(self, size: int) -> int:
        """All that the body may need, as soon as it needs more than is leased."""
        return size if self._progress.lease.covers(size) else max(size, self._expected_bytes)

    def _enlarge_buffer(self, size: int) -> None:
        """Copy into a larger buffer; past FREE_BYTES into one for the whole body, once."""
        larger: bytearray | mmap.mmap
        if size > FREE_BYTES:
            larger = self._progress.lease.allocate(
                max(size, min(self._expected_bytes, self._max_bytes))
            )
        else:
            larger = bytearray(max(size, 2 * len(self._buffer)))
        larger[: self._size] = memoryview(self._buffer)[: self._size]
        self._buffer = larger
