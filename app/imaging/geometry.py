"""Sizes in pixels: how far an image is scaled down, and by which factor of a JPEG decoder.

Also which images are too tall, too small or too narrow to be sent to a model as they are (decision
27 has the sources of the limits).

Any size whose longer side is 0.75 to 1.0 of the limit is good enough. So the cheapest way to such a
size is chosen: the scaling of a decoder, and a filter only where that does not reach it.
"""

import math

Size = tuple[int, int]
"""Width and height in pixels."""

_MIN_RATIO = 0.75
"""The longer side is at least this part of the limit, where the source is that large."""

MODEL_MIN_SIDE_PX = 32
"""The shortest side that every model takes. Qwen2-VL and Qwen2.5-VL refuse sides under 28 px
(huggingface/transformers #37264, vllm #21109), Qwen3-VL under 32 px (ollama #13113)."""
MODEL_MAX_ASPECT_RATIO = 20
"""The longest side in shortest sides. Models of the Qwen-VL family refuse more than 200; a tenth of
it leaves two patches of 28 px at 1,200 px, so that their scaling does not round a side to 0
(QwenLM/Qwen3-VL #2121)."""

_ICON_MAX_SIDE_PX = 64
_ICON_MAX_ASPECT_RATIO = 4
_ICON_TARGET_PX = 200
"""An icon is enlarged to this: images under 200 px may be seen less well (Anthropic's guide)."""
_ICON_MAX_FACTOR = 16

_TALL_ASPECT_RATIO = 4
_TALL_MIN_WIDTH_PX = 300
"""A page with a higher ratio, which as a whole would be narrower than this, is cropped. The tallest
canvas of Llama 3.2 Vision has this ratio."""
_TALL_WIDTH_PX = 600
"""The width that a tall page keeps: text of 16 px on a page of 1,080 px stays 9 px high."""
_TALL_MAX_PIXELS = 2_880_000
"""Pixels of a scaled tall page before it is cropped: memory, at 3 bytes each."""

_SWAPS_SIDES = frozenset({5, 6, 7, 8})
"""EXIF orientations of an image that is stored on its side."""

_NARROW_PX = 200
"""A side that was scaled to under this, and to under half, may have lost its text."""


def turn_upright(stored_px: Size, orientation: int) -> Size:
    """The size of a stored image as it is shown, by its EXIF orientation (1 to 8)."""
    width, height = stored_px
    return (height, width) if orientation in _SWAPS_SIDES else (width, height)


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


def is_tall(size_px: Size, longest_px: int) -> bool:
    """Whether scaling the whole image to the limit would make a tall page too narrow to read."""
    width, height = size_px
    return (
        width > 0
        and height > longest_px
        and height > _TALL_ASPECT_RATIO * width
        and longest_px * width < _TALL_MIN_WIDTH_PX * height
    )


def choose_scaled_longest(size_px: Size, longest_px: int) -> int:
    """To which longer side an image of this upright size is scaled: more for a tall page.

    A tall page keeps a width that can be read, or less where its pixels would be too many. Then it
    is cropped to the limit.
    """
    if not is_tall(size_px, longest_px):
        return longest_px
    width, height = size_px
    ratio = height / width
    scaled_width = min(width, _TALL_WIDTH_PX, longest_px / 2, math.sqrt(_TALL_MAX_PIXELS / ratio))
    return max(longest_px, min(height, round(scaled_width * ratio)))


def estimate_tall_memory_bytes(stored_px: Size, orientation: int, longest_px: int) -> int:
    """What a tall page needs beyond an image that is scaled to the limit.

    RGB and two copies of it, and one more where it is stored on its side.
    """
    size_px = turn_upright(stored_px, orientation)
    if not is_tall(size_px, longest_px):
        return 0
    width, height = fit(size_px, choose_scaled_longest(size_px, longest_px))
    copies = 3 if size_px == stored_px else 4
    return copies * 3 * width * height


def choose_enlargement(size_px: Size, longest_px: int) -> int:
    """By which whole factor an icon is enlarged for a model; 1 for every other image."""
    shorter, longer = sorted(size_px)
    is_icon = longer <= _ICON_MAX_SIDE_PX and longer <= _ICON_MAX_ASPECT_RATIO * shorter
    if shorter >= MODEL_MIN_SIDE_PX or not is_icon:
        return 1
    return max(1, min(_ICON_MAX_FACTOR, -(-_ICON_TARGET_PX // shorter), longest_px // longer))


def pad_for_model(size_px: Size) -> Size:
    """The smallest size around an image that every model takes."""
    least = max(MODEL_MIN_SIDE_PX, -(-max(size_px) // MODEL_MAX_ASPECT_RATIO))
    width, height = (max(side, least) for side in size_px)
    return width, height


def is_small_source(source_px: Size, sent_px: Size, longest_px: int) -> bool:
    """Whether a model can see little of an image: small, cropped, or scaled down until narrow.

    Both sizes are upright; `sent_px` is before padding and enlarging.
    """
    shorter = min(sent_px)
    is_too_narrow = shorter < _NARROW_PX and 2 * shorter < min(source_px)
    return shorter < MODEL_MIN_SIDE_PX or is_too_narrow or is_tall(source_px, longest_px)
