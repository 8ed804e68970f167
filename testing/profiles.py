"""Colour profiles (ICC.1) with large tables, made byte by byte."""

import random
import struct
from collections.abc import Iterator

_D50 = (0.9642, 1.0, 0.8249)
_COLUMNS = {b"rXYZ": (0.515, 0.241, -0.001), b"gXYZ": (0.292, 0.692, 0.042),
            b"bXYZ": (0.157, 0.067, 0.784)}  # fmt: skip


def all_profiles() -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of profiles for RGB, of 0.4 to 0.9 MB each."""
    yield "table", table_profile(b"RGB ", 52)
    yield "curves", curves_profile(65_000)
    yield "description", curves_profile(2, description=b"a" * 900_000)


def table_profile(space: bytes, grid: int) -> bytes:
    """A profile whose colours are looked up in a table with `grid` points for each channel."""
    channels = 4 if space == b"CMYK" else 3
    identity = struct.pack(">9i", *(65_536 if at % 4 == 0 else 0 for at in range(9)))
    ramp = struct.pack(">2H", 0, 65_535)
    table = random.Random(7).randbytes(grid**channels * 3 * 2)
    body = b"mft2\0\0\0\0" + bytes((channels, 3, grid, 0)) + identity + struct.pack(">HH", 2, 2)
    body += ramp * channels + table + ramp * 3
    return _profile(space, b"Lab ", {b"A2B0": body, b"desc": _description(b"a table")})


def curves_profile(entries: int, description: bytes = b"curves") -> bytes:
    """A profile for RGB with a curve of so many points for each channel."""
    points = b"".join(struct.pack(">H", 65_535 * at // (entries - 1)) for at in range(entries))
    tags = {name: _xyz(values) for name, values in _COLUMNS.items()}
    for number, name in enumerate((b"rTRC", b"gTRC", b"bTRC")):
        curve = b"curv\0\0\0\0" + struct.pack(">I", entries) + points
        tags[name] = curve + bytes(4 * number)  # of different lengths, so that none is shared
    return _profile(b"RGB ", b"XYZ ", {**tags, b"desc": _description(description)})


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile: header, directory of tags, their values."""
    tags = {b"wtpt": _xyz(_D50), **tags}
    directory, data, begin = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        directory += name + struct.pack(">II", begin + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    body = struct.pack(">I", len(tags)) + directory + data
    head = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02100000, b"mntr", space, connection
    )
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63_190, 65_536, 54_061)
    return head.ljust(128, b"\0") + body
