"""A small CMYK profile, because Pillow can only create profiles of RGB and Lab."""

import struct
from itertools import product

_LAB_WHITE = (255, 128, 128)
_INKS_LAB = ((140, 100, 90), (125, 200, 120), (230, 120, 220), (40, 128, 128))
"""Full cyan, magenta, yellow and black as 8-bit Lab."""


def make_cmyk_profile() -> bytes:
    """An ICC profile (v2, output device, one lookup table from CMYK to Lab)."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"CMYK\0" + bytes(78),
        b"cprt": b"text" + bytes(4) + b"CC0\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D),
        b"A2B0": _lookup_table(),
    }
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for signature, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", signature, offset + len(body), len(data))
        body += padded
    header = bytearray(128)
    struct.pack_into(">I4sI4s4s4s", header, 0, offset + len(body), b"", 0x02400000, b"prtr",
                     b"CMYK", b"Lab ")  # fmt: skip
    header[36:40] = b"acsp"
    struct.pack_into(">3I", header, 68, 0xF6D6, 0x10000, 0xD32D)
    return bytes(header) + table + body


def _lookup_table() -> bytes:
    """The type lut8: identity curves around a grid of 2 x 2 x 2 x 2 points."""
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    curve = bytes(range(256))
    grid = b"".join(bytes(_mix(inks)) for inks in product((0, 1), repeat=4))
    return b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + curve * 4 + grid + curve * 3


def _mix(inks: tuple[int, ...]) -> tuple[int, int, int]:
    lightness, a, b = (float(value) for value in _LAB_WHITE)
    for is_printed, ink in zip(inks, _INKS_LAB, strict=True):
        if is_printed:
            lightness *= ink[0] / 255
            a += ink[1] - 128
            b += ink[2] - 128
    return round(lightness), round(min(255, max(0, a))), round(min(255, max(0, b)))
