"""A PNG without what does not belong to the picture: texts, dates, and damaged ancillary chunks.

The specification lets a reader pass over every ancillary chunk, and browsers pass over broken
ones. Pillow refuses the whole file for a wrong checksum in a comment, or for a long one.
"""

import struct
import zlib
from bisect import bisect_right
from itertools import accumulate

from app.workers.errors import JobRefused
from app.workers.handler import JobInput

_SIGNATURE_BYTES = 8
_PROFILE_MAX_BYTES = 1024 * 1024
# What Pillow unpacks of a profile (MAX_TEXT_CHUNK); display profiles have some kilobytes.

_CHUNKS_MAX = 200_000
# A picture of 64 MB in pieces of 512 bytes has 131,000. Reading so many headers takes 0.5 s.

_COPY_MAX_BYTES = 8 * 1024 * 1024
# Within what every child may take without asking (FREE_BYTES in app/workers).

_ANCILLARY = 0x20
"""The bit that makes a chunk's first letter a small one (PNG, 5.4)."""
_SHORTEST = {b"tRNS": 1, b"gAMA": 4, b"sRGB": 1, b"iCCP": 3, b"eXIf": 8}
"""The ancillary chunks that change what is seen, and how long each is at least."""
_KEY_BYTES = {0: 2, 2: 6}
"""tRNS names one colour in grey and in RGB pictures (by colour type)."""

_BY_PALETTE = 3
"""The colour type of a picture whose pixels are numbers of a palette's colours."""


class PicturePart(JobInput):
    """A PNG as a file in which only the chunks that make the picture are seen. Copies nothing.

    Raises JobRefused with the code costly where there are more chunks than any encoder writes.
    """

    def __init__(self, view: memoryview) -> None:
        super().__init__(view)
        self._spans = _spans(view)
        self._begins = [0, *accumulate(end - start for start, end in self._spans)]

    def alone(self) -> memoryview:
        """The same as one piece of memory; the whole file where it is long.

        For a reader that would unpack texts: a thousand times their size, for nobody.
        """
        if len(self._spans) == 1 or self._begins[-1] > _COPY_MAX_BYTES:
            return self.view
        return memoryview(b"".join(self.view[start:end] for start, end in self._spans))

    def read(self, size: int | None = -1, /) -> bytes:
        at, last = self.tell(), self._begins[-1]
        end = last if size is None or size < 0 else min(last, at + size)
        parts = []
        index = bisect_right(self._begins, at) - 1
        while at < end:
            start = self._spans[index][0] + at - self._begins[index]
            amount = min(end, self._begins[index + 1]) - at
            parts.append(self.view[start : start + amount])
            at += amount
            index += 1
        self.seek(at)
        return b"".join(parts)


def is_damaged(view: memoryview) -> bool:
    """Whether a chunk that makes the picture has a wrong checksum, or the palette is missing."""
    at = _SIGNATURE_BYTES
    colour = view[25] if len(view) > 25 else 0
    kinds = set()
    while at + 12 <= len(view):
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        kinds.add(kind)
        if not kind[0] & _ANCILLARY and (
            end > len(view)
            or zlib.crc32(view[at + 4 : end - 4]).to_bytes(4, "big") != view[end - 4 : end]
        ):
            return True
        at = end
        if kind == b"IEND":
            break
    return colour == _BY_PALETTE and b"PLTE" not in kinds


def _spans(view: memoryview) -> list[tuple[int, int]]:
    """Where the parts to be read begin and end; neighbours are one."""
    spans = [(0, _SIGNATURE_BYTES)]
    at = _SIGNATURE_BYTES
    colour = view[25] if len(view) > 25 else 0
    passed = 0
    while at < len(view):
        passed += 1
        if passed > _CHUNKS_MAX:
            raise JobRefused("costly", f"more than {_CHUNKS_MAX} chunks")
        length = int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(view):  # cut short: the decoder says so, unless the picture was complete
            end = len(view)
        if not kind[:1] or not kind[0] & _ANCILLARY or _is_sound(view[at:end], kind, colour):
            if spans[-1][1] == at:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((at, end))
        at = end
        if kind == b"IEND":
            break
    return spans


def _is_sound(chunk: memoryview, kind: bytes, colour: int) -> bool:
    if len(chunk) - 12 < _SHORTEST.get(kind, len(chunk)):
        return False
    body = chunk[8:-4]
    if zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
        return False
    if kind == b"tRNS":
        return len(body) >= _KEY_BYTES.get(colour, 1)
    return kind != b"iCCP" or _is_packed_profile(bytes(body))


def _is_packed_profile(body: bytes) -> bool:
    _, _, packed = body.partition(b"\0")
    if packed[:1] != b"\0":  # the only method of compression there is
        return False
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], _PROFILE_MAX_BYTES)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail
