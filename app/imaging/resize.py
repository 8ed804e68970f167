"""Make a picture small enough, with as little work and memory as that takes.

Any size whose longest edge is 0.75 to 1.0 of the limit is as good, so the cheap way that lands
there is taken: a decoder's own scaling, and a filter only where that does not.
"""

from collections.abc import Callable

from PIL import Image

from app.imaging.decoders import vips
from app.imaging.metadata.headers import Size

SMALLEST_SHARE = 0.75
"""The longest edge is never under this share of the limit where the source has that."""

_STRIP_PX = 2_000_000
# Pixels of a strip that are converted at a time: 8 MB, and a converted copy of as much.

_GAP = 2
# Whole blocks are averaged down to no less than twice the size that the filter makes: averaging
# costs a tenth of filtering, and with twice the pixels the filter still decides what is seen.


def fit(size_px: Size, longest_px: int) -> Size:
    """Largest size of the same ratio whose longer side is at most `longest_px`. Never enlarges."""
    longest = max(size_px)
    if longest <= longest_px:
        return size_px
    width, height = (max(1, round(side * longest_px / longest)) for side in size_px)
    return width, height


def eighths(size_px: Size, longest_px: int) -> int:
    """By how many eighths (8, 7, 6, 5, 4, 2 or 1) a JPEG's transform should scale.

    The most that lands in the window of sizes that are as good, so that no filter is needed;
    where there is none, the fewest from which a filter can make the limit. 3 / 8 is slower than
    4 / 8 and a filter: the transform of 3 by 3 has no vector code in libjpeg-turbo.
    """
    longest = max(size_px)
    if longest <= longest_px:
        return 8
    scaled = {count: -(-longest * count // 8) for count in (7, 6, 5, 4, 2, 1)}
    for count, side in scaled.items():
        if SMALLEST_SHARE * longest_px <= side <= longest_px:
            return count
    return next((count for count in (1, 2, 4) if scaled[count] > longest_px), 8)


def draft_scale(size_px: Size, longest_px: int) -> int:
    """The strongest scaling (8, 4, 2 or 1) in JPEG's transform that leaves enough."""
    enough = SMALLEST_SHARE * longest_px
    return next((s for s in (8, 4, 2) if -(-max(size_px) // s) >= enough), 1)


def is_filtered_whole(size_px: Size, longest_px: int) -> bool:
    """Whether `shrink` makes copies of a picture in full size."""
    return longest_px < max(size_px) and _blocks(size_px, longest_px) <= 1


def _blocks(size_px: Size, longest_px: int) -> int:
    return max(size_px) // (_GAP * longest_px)


def shrink(
    picture: Image.Image, longest_px: int, flatten: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Reduce `picture` until its longest edge is at most `longest_px`; never enlarges.

    `flatten` makes a piece of it opaque and fit for averaging. It is called on strips, so that
    no second copy of full size is held, but for what is small enough to be filtered at once.
    """
    if max(picture.size) <= longest_px:
        return flatten(picture)
    blocks = _blocks(picture.size, longest_px)
    to_px = fit(picture.size, longest_px)
    if blocks <= 1:
        return vips.reduce(flatten(picture), to_px)
    width, height = picture.size
    small = _average(picture, blocks, flatten)
    return vips.reduce(small, to_px, (width / blocks, height / blocks))


def _average(
    picture: Image.Image, blocks: int, flatten: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    width, height = picture.size
    rows = max(1, _STRIP_PX // (width * blocks)) * blocks
    small: Image.Image | None = None
    for top in range(0, height, rows):
        piece = flatten(picture.crop((0, top, width, min(height, top + rows)))).reduce(blocks)
        if small is None:
            small = Image.new(piece.mode, (-(-width // blocks), -(-height // blocks)))
        small.paste(piece, (0, top // blocks))
    if small is None:
        raise ValueError("a picture without rows")
    return small
