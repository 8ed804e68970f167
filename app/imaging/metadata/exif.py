"""EXIF: the orientation of an image."""

import struct

_ORIENTATION_TAG = 0x0112
_SHORT = 3

_MAX_TAGS = 1000
"""Of the first directory. Cameras write about twenty, in order of their numbers."""


def read_orientation(exif: bytes) -> int:
    """EXIF orientation, 1 to 8 (Exif 2.32); 1 where there is none or it is invalid."""
    exif = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    for index in range(min(count, _MAX_TAGS)):
        at = start + 2 + index * 12
        if at + 12 > len(exif):
            return 1
        tag, kind, numbers, value = struct.unpack_from(order + "HHIH", exif, at)
        if tag == _ORIENTATION_TAG:
            # The standard says one SHORT. Browsers turn no image for a LONG.
            is_read = kind == _SHORT and numbers == 1
            return value if is_read and 1 <= value <= 8 else 1
    return 1
