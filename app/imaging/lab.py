"""CIE L*a*b* whose white is that of a screen (D65), and not that of paper (D50).

ICC and Photoshop mean D50, for which lcms2 has a profile. Some programs (ImageMagick) write D65 and
say so in the tag WhitePoint of a TIFF.
"""

import numpy as np
from PIL import Image

from app.imaging.colour_space import D65, SRGB_LEVELS

_SAME_WHITE = 0.005
_KNEE = 6 / 29
_WHITE_XYZ = np.array((D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]), np.float32)
_TO_SRGB = np.array(
    ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560),
     (0.0556434, -0.2040259, 1.0572252)), np.float32,
)  # fmt: skip
"""From XYZ at D65 to linear sRGB (IEC 61966-2-1)."""


def is_d65(white_xy: tuple[float, float]) -> bool:
    """Whether a white is that of sRGB's screen."""
    return all(abs(one - two) < _SAME_WHITE for one, two in zip(white_xy, D65, strict=True))


def convert_d65_lab_to_srgb(image: Image.Image) -> Image.Image:
    """An image of mode LAB in mode RGB."""
    lightness, a, b = (np.asarray(band, np.float32) for band in image.split())
    y = (lightness * np.float32(100 / 255) + 16) / 116
    cube_roots = (y + (a - 128) / 500, y, y - (b - 128) / 200)
    xyz = [
        white * np.where(t > _KNEE, t**3, np.float32(3 * _KNEE**2) * (t - np.float32(4 / 29)))
        for white, t in zip(_WHITE_XYZ, cube_roots, strict=True)
    ]
    bands = []
    for row in _TO_SRGB:
        light = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]
        bands.append(SRGB_LEVELS[np.clip(light * 65_535 + 0.5, 0, 65_535).astype(np.uint16)])
    return Image.merge("RGB", [Image.fromarray(band) for band in bands])
