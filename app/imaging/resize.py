"""Scale a decoded image down, with little processor time and memory."""

from collections.abc import Callable

from PIL import Image

from app.imaging.decoders import libvips
from app.imaging.geometry import Size, fit

Flatten = Callable[[Image.Image], Image.Image]
"""Makes an image, or a strip of it, opaque and fit for averaging."""

_STRIP_PX = 2_000_000
# Pixels that are flattened at a time: 8 MB, and as much for the flattened copy.

_REDUCING_GAP = 2
# Whole blocks are averaged down to no less than twice the size that the filter makes. Averaging
# takes a tenth of the time of filtering, and with twice the pixels the filter still decides what is
# seen. (The same as `reducing_gap` in Pillow's `resize`.)


def shrink(image: Image.Image, longest_px: int, flatten: Flatten) -> Image.Image:
    """Scale `image` down until its longer side is at most `longest_px`; never enlarges.

    `flatten` is called on strips, so that no second copy in full size is held. Only an image that
    is small enough for the filter alone is flattened as a whole.
    """
    if max(image.size) <= longest_px:
        return flatten(image)
    block_px = _block_px(image.size, longest_px)
    to_px = fit(image.size, longest_px)
    if block_px <= 1:
        return _resize_lanczos(flatten(image), to_px, image.size)
    width, height = image.size
    averaged = _average_blocks(image, block_px, flatten)
    return _resize_lanczos(averaged, to_px, (width / block_px, height / block_px))


def is_filtered_in_full_size(size_px: Size, longest_px: int) -> bool:
    """Whether `shrink` makes copies of an image in full size."""
    return longest_px < max(size_px) and _block_px(size_px, longest_px) <= 1


def _block_px(size_px: Size, longest_px: int) -> int:
    """Side of the square blocks of which each is averaged to one pixel; 0 or 1 for none."""
    return max(size_px) // (_REDUCING_GAP * longest_px)


def _average_blocks(image: Image.Image, block_px: int, flatten: Flatten) -> Image.Image:
    width, height = image.size
    rows = max(1, _STRIP_PX // (width * block_px)) * block_px
    averaged: Image.Image | None = None
    for top in range(0, height, rows):
        strip = flatten(image.crop((0, top, width, min(height, top + rows)))).reduce(block_px)
        if averaged is None:
            averaged = Image.new(strip.mode, (-(-width // block_px), -(-height // block_px)))
        averaged.paste(strip, (0, top // block_px))
    if averaged is None:
        raise ValueError("an image without rows")
    return averaged


def _resize_lanczos(image: Image.Image, to_px: Size, source_px: libvips.FloatSize) -> Image.Image:
    """Scale down with the Lanczos filter, in libvips where it can (a fifth of the time).

    `source_px` is the part of the image, from the upper left corner, that becomes `to_px`.
    """
    if libvips.is_installed() and image.mode in libvips.BANDS:
        return libvips.resize_samples(image.tobytes(), image.mode, image.size, to_px, source_px)
    return image.resize(to_px, Image.Resampling.LANCZOS, box=(0, 0, *source_px))
