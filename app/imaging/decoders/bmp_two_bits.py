"""BMP with 2 bits for each pixel, as Windows CE writes them, which Pillow does not read."""

import numpy as np
from PIL import Image

from app.imaging.metadata.bmp import BmpTwoBits

_STRIP_BYTES = 256 * 1024
_SHIFTS = (6, 4, 2, 0)
"""The first pixel of a byte is in its highest bits."""


def decode_bmp_two_bits(view: memoryview, bmp: BmpTwoBits) -> Image.Image:
    """Mode P. Raises ValueError where it is truncated."""
    width, height = bmp.size_px
    if bmp.pixels_at + bmp.row_bytes * height > len(view):
        raise ValueError("the pixels are truncated")
    image = Image.new("P", bmp.size_px)
    rows = max(1, _STRIP_BYTES // bmp.row_bytes)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        first = top if bmp.is_top_down else height - top - count
        at = bmp.pixels_at + first * bmp.row_bytes
        packed = np.frombuffer(view, np.uint8, count * bmp.row_bytes, at).reshape(count, -1)
        pixels = np.stack([packed >> shift & 3 for shift in _SHIFTS], axis=2)
        indices = pixels.reshape(count, -1)[:, :width]
        image.paste(Image.fromarray(indices if bmp.is_top_down else indices[::-1]), (0, top))
    image.putpalette(bmp.palette, "BGRX")
    return image
