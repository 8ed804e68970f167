"""RGB colour spaces: primaries as chromaticities, a tone curve, and the ICC profile of the two."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = Callable[[float], float]
"""From a signal of 0 to 1 to linear light of 0 to 1."""
Matrix = NDArray[np.float64]

D65 = (0.3127, 0.3290)
_D50_XYZ = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(
    ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
)
_MAX_XYZ = 16.0
"""Colours of real primaries are under 2; s15Fixed16 of ICC holds 32,767."""
_CURVE_POINTS = 1024


@dataclass(frozen=True, slots=True)
class Primaries:
    """White, red, green and blue of an RGB space as CIE 1931 xy chromaticities."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]

    def to_xyz(self) -> Matrix | None:
        """Columns red, green, blue of XYZ at D50 (Bradford); None where they span no space."""
        colours = np.array(
            [(x, y, 1 - x - y) for x, y in (self.red, self.green, self.blue)], np.float64
        ).T
        x, y = self.white
        if y <= 0 or abs(np.linalg.det(colours)) < 1e-6:
            return None
        white = np.array((x / y, 1, (1 - x - y) / y))
        cones = _BRADFORD @ (colours * np.linalg.solve(colours, white))
        white_cones = _BRADFORD @ white
        if np.any(white_cones <= 0):
            return None
        adapted = (_BRADFORD @ _D50_XYZ) / white_cones
        columns: Matrix = np.linalg.solve(_BRADFORD, adapted[:, None] * cones)
        return columns if np.all(np.abs(columns) < _MAX_XYZ) else None


BT709 = Primaries(D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
BT2020 = Primaries(D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))


def srgb_light(signal: float) -> float:
    """The curve of sRGB (IEC 61966-2-1)."""
    return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)


def _build_srgb_levels() -> NDArray[np.uint8]:
    light = np.linspace(0, 1, 65_536)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: NDArray[np.uint8] = np.rint(255 * signal).astype(np.uint8)
    return levels


SRGB_LEVELS = _build_srgb_levels()
"""Levels of linear light, which is stated in parts of 65,535."""


def build_icc_profile(primaries: Primaries, curve: Curve) -> bytes | None:
    """An ICC profile (v2, matrix and curve); None where the primaries span no space."""
    columns = primaries.to_xyz()
    if columns is None:
        return None
    points = [
        round(65_535 * min(1, max(0, curve(point / (_CURVE_POINTS - 1)))))
        for point in range(_CURVE_POINTS)
    ]
    tone = b"curv\0\0\0\0" + struct.pack(f">I{_CURVE_POINTS}H", _CURVE_POINTS, *points)
    tags = {b"wtpt": _xyz_tag(_D50_XYZ)}
    tags |= {
        name: _xyz_tag(column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    return _encode_profile(tags)


def _encode_profile(tags: dict[bytes, bytes]) -> bytes:
    """An RGB display profile with these tags (ICC.1:2001-04, 6)."""
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body
    length = start + len(data)
    header = struct.pack(">I4sI4s4s4s", length, b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header = (header + struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")).ljust(68, b"\0")
    header = (header + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0")
    return header + struct.pack(">I", len(tags)) + table + data


def _xyz_tag(values: Matrix) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65_536) for value in values))
