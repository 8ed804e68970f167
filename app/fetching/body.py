"""Reads the body of an origin's response, within every limit that applies while it arrives."""

from collections.abc import AsyncIterator
from contextlib import nullcontext

from app.fetching.byte_lease import FREE_BYTES
from app.fetching.image_buffer import ImageBuffer
from app.fetching.progress import FetchProgress
from app.fetching.response_policy import ResponseHead, tiny_chunks
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.fair_loop import bulk_work
from app.runtime.piece_limit import PieceLimit

_FREE_CHUNKS, _MIN_CHUNK_BYTES = 4096, 512
"""A chunk takes some 50 us of the event loop, however small it is. The first ones are for small
images; the others must have a size on average. Servers write kilobytes at a time."""


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
        self._is_large = (head.content_length or 0) > FREE_BYTES
        """As its origin says. The start of a large body is bulk work too: it holds nobody up who
        comes with a small one while many large ones begin."""
        self._chunks = PieceLimit(_FREE_CHUNKS, _MIN_CHUNK_BYTES)
        self._buffer = ImageBuffer(
            progress.lease, progress.lease_bytes, bandwidth,
            max_bytes=max_bytes, expected_bytes=head.content_length,
        )  # fmt: skip

    async def read(self, chunks: AsyncIterator[bytes], until_bytes: int | None) -> memoryview:
        """Everything so far, once at least `until_bytes` or the whole body has arrived.

        Raises ImageTooLarge, and ImageCorrupt where the chunks are too small.
        """
        end = self._max_bytes if until_bytes is None else until_bytes
        with bulk_work() if self._is_large else nullcontext():
            may_go_on = await self._read_to(min(end, FREE_BYTES), chunks)
        if may_go_on:
            with bulk_work():
                await self._read_to(until_bytes, chunks)
        return self._buffer.view()

    async def _read_to(self, until_bytes: int | None, chunks: AsyncIterator[bytes]) -> bool:
        """Read on; whether there may be more."""
        while until_bytes is None or self._buffer.size < until_bytes:
            chunk = await anext(chunks, None)
            if chunk is None:
                return False
            if not self._chunks.add(len(chunk)):
                raise tiny_chunks()
            await self._buffer.append(chunk)
        return True
