"""A file made of parts of another one, so that a decoder reads only what belongs to the image.

Decoders read headers byte by byte in Python. Parts that cost much and change nothing, such as
comments and filling, are found by our own readers (metadata/) and left out.
"""

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from app.workers.handler import JobInput


class JoinedInput(JobInput):
    """Parts of memory, one after the other, as a file. Nothing is copied."""

    def __init__(self, parts: Sequence[bytes | memoryview]) -> None:
        super().__init__(b"")
        self._parts = [memoryview(part) for part in parts]
        self._starts = [0, *accumulate(len(part) for part in self._parts)]

    def contiguous(self) -> memoryview:
        """The same file in one piece of memory: a copy, unless it has one part."""
        return self._parts[0] if len(self._parts) == 1 else memoryview(b"".join(self._parts))

    @property
    def size_bytes(self) -> int:
        """The length of the file."""
        return self._starts[-1]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            return super().seek(self.size_bytes + offset)
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        end = self.size_bytes if size is None or size < 0 else min(self.size_bytes, at + size)
        if at >= end:
            return b""
        pieces = []
        index = bisect_right(self._starts, at) - 1
        self.seek(end)
        while at < end:
            begin = at - self._starts[index]
            piece = self._parts[index][begin : begin + end - at]
            pieces.append(piece)
            at += len(piece)
            index += 1
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
