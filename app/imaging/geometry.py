"""Sizes in pixels: how far an image is scaled down, and by which factor of a JPEG decoder.

Any size whose longer side is 0.75 to 1.0 of the limit is good enough. So the cheapest way to such a
size is chosen: the scaling of a decoder, and a filter only where that does not reach it.
"""

Size = tuple[int, int]
"""Width and height in pixels."""

_MIN_RATIO = 0.75
"""The longer side is at least this part of the limit, where the source is that large."""


def fit(size_px: Size, longest_px: int) -> Size:
    """Largest size of the same ratio whose longer side is at most `longest_px`. Never enlarges."""
    longest = max(size_px)
    if longest <= longest_px:
        return size_px
    width, height = (max(1, round(side * longest_px / longest)) for side in size_px)
    return width, height


def choose_eighths(size_px: Size, longest_px: int) -> int:
    """By how many eighths (8, 7, 6, 5, 4, 2 or 1) libjpeg-turbo scales a JPEG while decoding.

    The largest that gives a size that is good enough, so that no filter is needed. Where there is
    none, the smallest from which a filter can make the limit. 3/8 is slower than 4/8 and a filter:
    libjpeg-turbo has no vector code for its 3 x 3 transform.
    """
    longest = max(size_px)
    if longest <= longest_px:
        return 8
    scaled = {eighths: -(-longest * eighths // 8) for eighths in (7, 6, 5, 4, 2, 1)}
    for eighths, side in scaled.items():
        if _MIN_RATIO * longest_px <= side <= longest_px:
            return eighths
    return next((eighths for eighths in (1, 2, 4) if scaled[eighths] > longest_px), 8)


def choose_draft_scale(size_px: Size, longest_px: int) -> int:
    """The largest divisor (8, 4, 2 or 1) of Pillow's draft mode that leaves enough pixels."""
    enough = _MIN_RATIO * longest_px
    return next((scale for scale in (8, 4, 2) if -(-max(size_px) // scale) >= enough), 1)
