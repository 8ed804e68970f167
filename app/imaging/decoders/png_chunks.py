"""Chunks of a PNG without those that are not part of the image: texts, dates, damaged extras.

The specification lets a reader skip every ancillary chunk, and browsers skip damaged ones. Pillow
refuses the whole file for a wrong checksum in a comment, or for a long comment.
"""

import struct
import zlib

from app.imaging.decoders.joined_input import JoinedInput
from app.workers.errors import JobRefused

_SIGNATURE_BYTES = 8
_PROFILE_MAX_BYTES = 1024 * 1024
# What Pillow unpacks of a profile (MAX_TEXT_CHUNK); display profiles have some kilobytes.

_MAX_PROFILES = 1
# More are not allowed (PNG, 5.6), and each must be unpacked to see whether it is intact.

_MAX_CHUNKS = 200_000
# A file of 64 MB in pieces of 512 bytes has 131,000. Reading so many chunk headers takes 0.5 s.

_COPY_MAX_BYTES = 8 * 1024 * 1024
# Within the memory of every job (BASE_MEMORY_BYTES in app/workers/spawn.py).

_ANCILLARY = 0x20
"""Bit of a chunk type's first letter that makes it lower case (PNG, 5.4)."""
_MIN_BYTES = {b"tRNS": 1, b"gAMA": 4, b"sRGB": 1, b"iCCP": 3, b"eXIf": 8}
"""The ancillary chunks that change what is seen, with the minimum length of each."""
_COLOUR_KEY_BYTES = {0: 2, 2: 6}
"""Length of tRNS in grey and RGB images (by colour type), where it names one colour."""

_TABLES = (b"PLTE", b"tRNS")
_CHUNK_BYTES, _COLOUR_BYTES, _DEPTH_AT, _COLOUR_TYPE_AT, _HEADER_END = 12, 3, 24, 25, 33
_PALETTE = 3
"""Colour type of an image whose pixels are indices into a palette."""


class PngImageChunks(JoinedInput):
    """A PNG as a file that contains only the chunks of the image. Nothing but palettes is copied.

    A palette is filled up with its last colour, as browsers show indices that it does not have.

    Raises JobRefused, code `too_expensive`, where there are more chunks than any encoder writes.
    """

    def __init__(self, view: memoryview) -> None:
        super().__init__(_pad_palette([view[start:end] for start, end in _find_image_spans(view)]))
        self._original = view

    def contiguous(self) -> memoryview:
        """The same file in one piece of memory, or the original file where it is long.

        For a decoder that reads from memory. It would unpack texts, up to a thousand times their
        size.
        """
        return self._original if self.size_bytes > _COPY_MAX_BYTES else super().contiguous()


def is_damaged(view: memoryview) -> bool:
    """Whether a critical chunk has a wrong checksum, or the palette is missing.

    The checksum of the last piece of pixels is left out: browsers show them before they read it.
    """
    at = _SIGNATURE_BYTES
    colour_type = view[25] if len(view) > 25 else 0
    kinds = set()
    is_last_wrong = False
    while at + 12 <= len(view):
        end = at + 12 + int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        kinds.add(kind)
        if kind == b"IDAT" and is_last_wrong:
            return True
        if not kind[0] & _ANCILLARY and end > len(view):
            return True
        if not kind[0] & _ANCILLARY and not _has_right_checksum(view[at:end]):
            if kind not in (b"IDAT", b"IEND"):
                return True
            is_last_wrong = True
        at = end
        if kind == b"IEND":
            break
    return colour_type == _PALETTE and b"PLTE" not in kinds


def _has_right_checksum(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:]


def _pad_palette(parts: list[memoryview]) -> list[memoryview]:
    """The parts with a full palette, and full alpha where the last colour has one."""
    tables = {bytes(part[4:8]): at for at, part in enumerate(parts) if len(part) > _CHUNK_BYTES}
    at = tables.get(b"PLTE")
    if (
        at is None
        or len(parts[0]) < _HEADER_END
        or parts[0][_COLOUR_TYPE_AT] != _PALETTE
        or not _has_right_checksum(parts[at])
    ):
        return parts
    colours = (len(parts[at]) - _CHUNK_BYTES) // _COLOUR_BYTES
    missing = (1 << min(8, parts[0][_DEPTH_AT])) - colours
    if missing <= 0 or colours == 0:
        return parts
    padded = list(parts)
    padded[at] = _repeat_last(parts[at], _COLOUR_BYTES, missing)
    alpha = tables.get(b"tRNS")
    if alpha is not None and len(parts[alpha]) - _CHUNK_BYTES == colours:
        padded[alpha] = _repeat_last(parts[alpha], 1, missing)
    return padded


def _repeat_last(chunk: memoryview, entry_bytes: int, times: int) -> memoryview:
    body = bytes(chunk[4:-4]) + bytes(chunk[-4 - entry_bytes : -4]) * times
    length = (len(body) - 4).to_bytes(4, "big")
    return memoryview(length + body + zlib.crc32(body).to_bytes(4, "big"))


def _find_image_spans(view: memoryview) -> list[tuple[int, int]]:
    """Start and end of the parts that belong to the image; adjacent parts are merged."""
    spans = [(0, _SIGNATURE_BYTES)]
    at = _SIGNATURE_BYTES
    colour_type = view[25] if len(view) > 25 else 0
    chunks = profiles = 0
    has_pixels = is_table = False
    while at < len(view):
        chunks += 1
        if chunks > _MAX_CHUNKS:
            raise JobRefused("too_expensive", f"more than {_MAX_CHUNKS} chunks")
        length = int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(view):  # truncated: the decoder reports it, unless the image was complete
            end = len(view)
        profiles += kind == b"iCCP"
        has_pixels = has_pixels or kind == b"IDAT"
        if (
            not kind[:1]
            or not kind[0] & _ANCILLARY
            or (
                (kind != b"iCCP" or profiles <= _MAX_PROFILES)
                and (kind != b"eXIf" or not has_pixels)  # browsers do not read it there
                and _is_usable(view[at:end], kind, colour_type)
            )
        ):
            was_table = is_table
            is_table = colour_type == _PALETTE and kind in _TABLES
            if spans[-1][1] == at and not (is_table or was_table):
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((at, end))
        at = end
        if kind == b"IEND":
            break
    return spans


def _is_usable(chunk: memoryview, kind: bytes, colour_type: int) -> bool:
    """Whether an ancillary chunk changes what is seen, and is intact."""
    if len(chunk) - 12 < _MIN_BYTES.get(kind, len(chunk)):
        return False
    body = chunk[8:-4]
    if zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
        return False
    if kind == b"tRNS":
        return len(body) >= _COLOUR_KEY_BYTES.get(colour_type, 1)
    return kind != b"iCCP" or _is_packed_profile(bytes(body))


def _is_packed_profile(body: bytes) -> bool:
    _, _, packed = body.partition(b"\0")
    if packed[:1] != b"\0":  # the only compression method that is defined
        return False
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed[1:], _PROFILE_MAX_BYTES)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail
