"""BMP with any bit fields: Pillow reads a few layouts only, and no alpha in 16 bits."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.metadata.bmp import BmpBitFields

_STRIP_BYTES = 1024 * 1024


def decode_bmp_bit_fields(view: memoryview, bmp: BmpBitFields) -> Image.Image:
    """Mode RGB, or RGBA where it has alpha. Raises ValueError where it is truncated."""
    width, height = bmp.size_px
    begin, end = bmp.pixels_at, bmp.pixels_at + bmp.row_bytes * height
    padding = bmp.row_bytes - width * bmp.bits // 8
    if end - padding > len(view):
        raise ValueError("the pixels are truncated")
    masks = (*bmp.masks, bmp.alpha_mask) if bmp.alpha_mask else bmp.masks
    mode = "RGBA" if bmp.alpha_mask else "RGB"
    image = Image.new(mode, bmp.size_px)
    rows = max(1, _STRIP_BYTES // bmp.row_bytes)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        first = top if bmp.is_top_down else height - top - count
        at = begin + first * bmp.row_bytes
        # The padding of the last row may be missing.
        packed = bytes(view[at : at + count * bmp.row_bytes]).ljust(count * bmp.row_bytes, b"\0")
        words = np.frombuffer(packed, f"<u{bmp.bits // 8}").reshape(count, -1)[:, :width]
        if not bmp.is_top_down:
            words = words[::-1]
        bands = [Image.fromarray(_extract(words, mask)) for mask in masks]
        image.paste(Image.merge(mode, bands), (0, top))
    return image


def _extract(words: "NDArray[np.uint16] | NDArray[np.uint32]", mask: int) -> NDArray[np.uint8]:
    """The samples under a mask, brought to 8 bits: wide ones are cut, as browsers do."""
    if not mask:
        return np.zeros(words.shape, np.uint8)
    bits = mask.bit_count()
    shift = (mask & -mask).bit_length() - 1 + max(0, bits - 8)
    samples = ((words & mask) >> shift).astype(np.uint8)
    if bits >= 8:
        return samples
    top = 2**bits - 1
    levels = np.array([round(255 * value / top) for value in range(top + 1)], np.uint8)
    scaled: NDArray[np.uint8] = levels[samples]
    return scaled
