"""Make a picture small enough, with as little work and memory as that takes.

Any size whose longest edge is 0.75 to 1.0 of the limit is as good, so the cheap way that lands
there is taken: a decoder's own scaling, else whole blocks of pixels averaged, and a filter only
where neither does.
"""

from collections.abc import Callable

from PIL import Image

from app.images.headers import Size

SMALLEST_SHARE = 0.75
"""The longest edge is never under this share of the limit where the source has that."""

_STRIP_PX = 2_000_000
# Pixels of a strip that are converted at a time: 8 MB, and a converted copy of as much.


def fit(size_px: Size, longest_px: int) -> Size:
    """Largest size of the same ratio whose longer side is at most `longest_px`. Never enlarges."""
    longest = max(size_px)
    if longest <= longest_px:
        return size_px
    width, height = (max(1, round(side * longest_px / longest)) for side in size_px)
    return width, height


def draft_scale(size_px: Size, longest_px: int) -> int:
    """The strongest scaling (8, 4, 2 or 1) in JPEG's transform that leaves enough."""
    enough = SMALLEST_SHARE * longest_px
    return next((s for s in (8, 4, 2) if -(-max(size_px) // s) >= enough), 1)


def shrink(
    picture: Image.Image, longest_px: int, flatten: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Reduce `picture` until its longest edge is at most `longest_px`; never enlarges.

    `flatten` makes a piece of it opaque and fit for averaging. It is called on strips, so that
    no second copy of full size is ever held.
    """
    longest = max(picture.size)
    if longest <= longest_px:
        return flatten(picture)
    blocks = -(-longest // longest_px)
    if longest < SMALLEST_SHARE * longest_px * blocks:
        blocks -= 1  # blocks of that size would leave too little: a filter does the rest
    small = flatten(picture) if blocks == 1 else _average(picture, blocks, flatten)
    if max(small.size) > longest_px:
        # A triangle as wide as the ratio: no aliasing, and below 1.5 no visible softness.
        small = small.resize(fit(picture.size, longest_px), Image.Resampling.BILINEAR)
    return small


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
