"""OKLab, a perceptual colour space: equal distances look about equally different.

Björn Ottosson, 2020, https://bottosson.github.io/posts/oklab/
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

OklabPixels = NDArray[np.float32]
"""... x 3: lightness 0..1, then green-red and blue-yellow, about -0.3..0.3."""

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)


def to_oklab(rgb: NDArray[np.uint8]) -> OklabPixels:
    """Converts sRGB bytes (... x 3) to OKLab (... x 3)."""
    levels = np.arange(256, dtype=np.float32) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    # One plane after the other: sums over the three values are three times as fast, also later.
    light = linear.astype(np.float32)
    planes = [light[np.ascontiguousarray(rgb[..., channel])] for channel in range(3)]
    roots = [np.cbrt(plane) for plane in _multiply(_RGB_TO_LMS, planes)]
    return np.moveaxis(np.stack(_multiply(_LMS_TO_LAB, roots)), 0, -1)


def to_hex_codes(lab: NDArray[np.floating[Any]]) -> list[str]:
    """The nearest sRGB colours of OKLab colours (n x 3), each as `#rrggbb`."""
    roots = lab @ np.linalg.inv(_LMS_TO_LAB).T
    linear = np.clip(roots**3 @ np.linalg.inv(_RGB_TO_LMS).T, 0.0, 1.0)
    levels = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [
        f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in np.rint(levels * 255).astype(int)
    ]


def oklab_distance(lab: OklabPixels, colour: OklabPixels) -> NDArray[np.float32]:
    """The distance of each pixel from one colour (3 values)."""
    distance: NDArray[np.float32] = np.sqrt(((lab - colour) ** 2).sum(axis=-1))
    return distance


def _multiply(matrix: OklabPixels, planes: list[OklabPixels]) -> list[OklabPixels]:
    return [a * planes[0] + b * planes[1] + c * planes[2] for a, b, c in matrix]
