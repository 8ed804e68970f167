"""Boxes of an ISO base media file (ISO 14496-12), which AVIF and HEIF are (ISO 23008-12)."""

import struct
from collections.abc import Iterator

_MAX_BOXES = 1000
"""Side by side; a dozen is usual."""

_HIGH_BITDEPTH = 0x40
"""Flag in the third byte of av1C."""


def is_high_bit_depth_avif(view: memoryview) -> bool:
    """Whether any image in an AVIF states more than 8 bits for each sample (av1C)."""
    return any(
        end >= start + 3 and view[start + 2] & _HIGH_BITDEPTH
        for start, end in _find_boxes(view, b"meta", b"iprp", b"ipco", b"av1C")
    )


def read_avif_code_points(view: memoryview) -> tuple[int, int] | None:
    """Colour primaries and transfer function (ITU-T H.273) of the first nclx box of an AVIF."""
    for start, _ in _find_boxes(view, b"meta", b"iprp", b"ipco", b"colr"):
        if bytes(view[start : start + 4]) == b"nclx":
            return struct.unpack(">HH", bytes(view[start + 4 : start + 8]))
    return None


def find_repeated_associations(view: memoryview) -> list[int]:
    """Offsets of the flags of surplus boxes of property associations (ipma) in an AVIF.

    HEIF allows one for each version and flags (ISO 23008-12, 9.3.1). Some encoders write one for
    each item, which browsers read, and libavif's strict parser, as Pillow uses it, refuses.
    """
    repeated: list[int] = []
    seen: set[bytes] = set()
    for start, _ in _find_boxes(view, b"meta", b"iprp", b"ipma"):
        version_and_flags = bytes(view[start : start + 4])
        if version_and_flags in seen:
            repeated.append(start + 1)
        seen.add(version_and_flags)
    return repeated[:255]


def _find_boxes(view: memoryview, *path: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the contents of all boxes at a path of box types."""
    return _descend(view, 0, len(view), path)


def _descend(
    view: memoryview, start: int, end: int, path: tuple[bytes, ...]
) -> Iterator[tuple[int, int]]:
    for inner, inner_end in _boxes(view, start, end, path[0]):
        if len(path) == 1:
            yield inner, inner_end
        else:
            header_bytes = 4 if path[0] == b"meta" else 0  # a full box: version and flags
            yield from _descend(view, inner + header_bytes, inner_end, path[1:])


def _boxes(view: memoryview, at: int, end: int, box_type: bytes) -> Iterator[tuple[int, int]]:
    """The boxes of one type side by side (ISO 14496-12, 4.2); none with a length of 64 bits."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        length = int.from_bytes(view[at : at + 4], "big") or end - at
        if length < 8 or at + length > end:
            return
        if view[at + 4 : at + 8] == box_type:
            yield at + 8, at + length
        at += length
