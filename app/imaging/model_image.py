"""Changes to an image that models could not read or would refuse: crop, enlarge, pad.

Sizes come from geometry.py; decision 27 says why.
"""

from PIL import Image, ImageChops

from app.imaging.colour import WHITE
from app.imaging.geometry import choose_enlargement, pad_for_model

_Colour = tuple[int, int, int]

_SAME_COLOUR_LEVELS = 16
"""Two colours that differ by less in every channel are one ground."""
_REDUCED_BY = 4
_BLANK_ROWS_PX = 16
"""How many of the blank rows above its content a cropped page keeps."""


def crop_tall_page(image: Image.Image, longest_px: int) -> Image.Image:
    """The part of a tall page, `longest_px` high, where its content begins."""
    if image.height <= longest_px:
        return image
    small = image.reduce(_REDUCED_BY)  # a sixteenth of the memory
    ground = Image.new("RGB", small.size, small.getpixel((0, 0)))
    difference = ImageChops.difference(small, ground)
    content = difference.point([255 * (level >= _SAME_COLOUR_LEVELS) for level in range(256)] * 3)
    box = content.getbbox()
    top = max(0, _REDUCED_BY * box[1] - _BLANK_ROWS_PX) if box else 0
    top = min(top, image.height - longest_px)
    return image.crop((0, top, image.width, top + longest_px))


def fit_for_models(image: Image.Image, longest_px: int) -> Image.Image:
    """The image as every model takes it: an icon enlarged, any other padded on its own ground.

    Returns `image` itself where nothing has to be changed.
    """
    factor = choose_enlargement(image.size, longest_px)
    if factor > 1:
        size_px = (image.width * factor, image.height * factor)
        # Bicubic, as in the preprocessing of CLIP and Qwen-VL: edges stay within a source pixel.
        image = image.resize(size_px, Image.Resampling.BICUBIC)
    padded_px = pad_for_model(image.size)
    if padded_px == image.size:
        return image
    canvas = Image.new("RGB", padded_px, _find_ground(image, padded_px))
    left, top = (padded_px[0] - image.width) // 2, (padded_px[1] - image.height) // 2
    canvas.paste(image, (left, top))
    return canvas


def _find_ground(image: Image.Image, padded_px: tuple[int, int]) -> _Colour:
    """The colour of most pixels along the sides that are padded; white where there is none."""
    width, height = image.size
    boxes = []
    if padded_px[1] > height:
        boxes += [(0, 0, width, 1), (0, height - 1, width, height)]
    if padded_px[0] > width:
        boxes += [(0, 0, 1, height), (width - 1, 0, width, height)]
    border = b"".join(image.crop(box).tobytes() for box in boxes)
    red, green, blue = border[0::3], border[1::3], border[2::3]
    median = tuple(sorted(channel)[len(channel) // 2] for channel in (red, green, blue))
    alike = sum(
        all(abs(a - b) < _SAME_COLOUR_LEVELS for a, b in zip(pixel, median, strict=True))
        for pixel in zip(red, green, blue, strict=True)
    )
    return (median[0], median[1], median[2]) if 2 * alike > len(red) else WHITE
