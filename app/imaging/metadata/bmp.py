"""Header of a BMP: where the samples of each pixel are (bit fields), its palette and its profile.

Read as in the headers BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER of Windows.
"""

import struct
from dataclasses import dataclass

from app.imaging.geometry import Size

_FILE_HEADER_BYTES = 14
_INFO_BYTES, _V2_BYTES, _V3_BYTES, _V4_BYTES, _V5_BYTES = 40, 52, 56, 108, 124
_MASKS_AT = _FILE_HEADER_BYTES + _INFO_BYTES
_RGB, _BIT_FIELDS, _ALPHA_BIT_FIELDS = 0, 3, 6
_PLAIN_MASKS = {16: (0x7C00, 0x3E0, 0x1F), 32: (0xFF0000, 0xFF00, 0xFF)}
_PROFILE_EMBEDDED = b"DEBM"
_SHORT_OS2_BYTES = 16
"""Of OS/2's header, what must be there: size, planes and bits."""
_COLOURS_AT = _FILE_HEADER_BYTES + 32
_MAX_COLOURS = 256
_COLOUR_SPACE_AT, _PROFILE_AT = _FILE_HEADER_BYTES + 56, _FILE_HEADER_BYTES + 112


@dataclass(frozen=True, slots=True)
class BmpBitFields:
    """An uncompressed BMP with 16 or 32 bits for each pixel."""

    size_px: Size
    bits: int
    is_top_down: bool
    masks: tuple[int, int, int]
    """The bits of red, green and blue. Masks may overlap; one without bits gives 0."""
    alpha_mask: int
    """0 where there is no alpha."""
    pixels_at: int

    @property
    def row_bytes(self) -> int:
        """With the padding to 32 bits."""
        return (self.size_px[0] * self.bits + 31) // 32 * 4


@dataclass(frozen=True, slots=True)
class BmpTwoBits:
    """An uncompressed BMP with a palette of four colours."""

    size_px: Size
    is_top_down: bool
    palette: bytes
    """Blue, green, red and a byte without meaning, for each of the four."""
    pixels_at: int

    @property
    def row_bytes(self) -> int:
        """With the padding to 32 bits."""
        return (self.size_px[0] + 15) // 16 * 4


def read_bmp_two_bits(view: memoryview) -> BmpTwoBits | None:
    """None for a BMP of another kind."""
    if len(view) < _MASKS_AT:
        return None
    pixels_at, header_bytes = struct.unpack_from("<II", view, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", view, 18)
    if bits != 2 or compression != _RGB or width <= 0 or height == 0 or header_bytes < _INFO_BYTES:
        return None
    begin = _FILE_HEADER_BYTES + header_bytes
    palette = bytes(view[begin : min(begin + 16, pixels_at)])
    return BmpTwoBits((width, abs(height)), height < 0, palette.ljust(16, b"\0"), pixels_at)


def find_usual_header(view: memoryview) -> list[bytes | memoryview]:
    """The parts of the same BMP with a header that decoders know.

    OS/2's may end after the fields that must be there. Where more than 256 colours are stated, the
    others are never used.
    """
    if len(view) < _MASKS_AT:
        return [view]
    pixels_at, header_bytes = struct.unpack_from("<II", view, 10)
    end = _FILE_HEADER_BYTES + _SHORT_OS2_BYTES
    if header_bytes == _SHORT_OS2_BYTES:
        info = struct.pack("<I", _INFO_BYTES) + bytes(view[18:end])
        moved_to = pixels_at + _INFO_BYTES - _SHORT_OS2_BYTES
        head = bytes(view[:10]) + struct.pack("<I", moved_to & 0xFFFFFFFF)
        return [head, info.ljust(_INFO_BYTES, b"\0"), view[end:]]
    (colours,) = struct.unpack_from("<I", view, _COLOURS_AT)
    if header_bytes >= _INFO_BYTES and colours > _MAX_COLOURS:
        stated = struct.pack("<I", _MAX_COLOURS)
        return [view[:_COLOURS_AT], stated, view[_COLOURS_AT + 4 :]]
    return [view]


def read_bmp_bit_fields(view: memoryview) -> BmpBitFields | None:
    """None for a BMP of another kind, or one that is not valid."""
    if len(view) < _MASKS_AT:
        return None
    pixels_at, header_bytes = struct.unpack_from("<II", view, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", view, 18)
    if header_bytes not in (_INFO_BYTES, _V2_BYTES, _V3_BYTES, _V4_BYTES, _V5_BYTES):
        return None
    if bits not in _PLAIN_MASKS or compression not in (_RGB, _BIT_FIELDS, _ALPHA_BIT_FIELDS):
        return None
    stated = struct.unpack("<4I", bytes(view[_MASKS_AT : _MASKS_AT + 16]).ljust(16, b"\0"))
    if header_bytes < _V3_BYTES and compression != _ALPHA_BIT_FIELDS:
        stated = (*stated[:3], 0)
    if compression == _RGB:
        stated = (*_PLAIN_MASKS[bits], stated[3] if header_bytes >= _V4_BYTES else 0)
    if width <= 0 or height == 0 or not all(_is_one_run(mask, bits) for mask in stated):
        return None
    return BmpBitFields(
        size_px=(width, abs(height)),
        bits=bits,
        is_top_down=height < 0,
        masks=stated[:3],
        alpha_mask=stated[3],
        pixels_at=pixels_at,
    )


def read_bmp_profile(view: memoryview) -> bytes | None:
    """The ICC profile inside a BMP (V5); None where there is none."""
    if len(view) < _FILE_HEADER_BYTES + _V5_BYTES:
        return None
    (header_bytes,) = struct.unpack_from("<I", view, _FILE_HEADER_BYTES)
    kind = bytes(view[_COLOUR_SPACE_AT : _COLOUR_SPACE_AT + 4])
    if header_bytes != _V5_BYTES or kind != _PROFILE_EMBEDDED:
        return None
    start, length = struct.unpack_from("<II", view, _PROFILE_AT)
    start += _FILE_HEADER_BYTES
    return bytes(view[start : start + length]) if start + length <= len(view) else None


def _is_one_run(mask: int, bits: int) -> bool:
    """Whether the bits of a mask lie side by side, within a pixel. Browsers refuse others."""
    lowest = mask & -mask
    return mask < 1 << bits and (mask + lowest) & mask == 0
