"""Draws images that the demo captions: `python -m demo.draw [FOLDER]`. README.md has the others.

It uses only Pillow and Pillow's font, so these belong to this project and anyone can draw them
again. Everything is drawn at three times its size and scaled down, which smooths the edges.
"""

import math
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

FOLDER = Path(__file__).parent / "pictures"
_SCALE = 3
Colour = tuple[int, int, int]


def draw_mug() -> Image.Image:
    """A product on white: a teal mug with a cream band and a soft shadow."""
    width, height = 900 * _SCALE, 900 * _SCALE
    image = Image.new("RGB", (width, height), "white")
    image.paste(*_shadow((width, height), _box(215, 700, 690, 800)))

    body = Image.new("L", (width, height), 0)
    shape = ImageDraw.Draw(body)
    shape.rounded_rectangle(_box(225, 230, 615, 765), radius=70 * _SCALE, fill=255)
    shape.rectangle(_box(225, 230, 615, 340), fill=255)
    handle = Image.new("L", (width, height), 0)
    ImageDraw.Draw(handle).rounded_rectangle(
        _box(545, 330, 760, 655), radius=105 * _SCALE, outline=255, width=52 * _SCALE
    )

    across = _shades(width, 225 * _SCALE, 615 * _SCALE, (0, 122, 128)).resize((width, height))
    band = _shades(width, 225 * _SCALE, 615 * _SCALE, (244, 232, 205)).resize((width, height))
    image.paste(Image.new("RGB", (width, height), (0, 98, 104)), (0, 0), handle)
    image.paste(across, (0, 0), body)
    top, bottom = 500 * _SCALE, 600 * _SCALE
    strip = (0, top, width, bottom)
    image.paste(band.crop(strip), (0, top), body.crop(strip))

    pen = ImageDraw.Draw(image)
    pen.ellipse(_box(225, 185, 615, 280), fill=(10, 146, 152))
    pen.ellipse(_box(240, 195, 600, 270), fill=(0, 70, 76))
    pen.ellipse(_box(262, 222, 578, 268), fill=(74, 42, 26))  # coffee
    return _finish(image)


def draw_banner() -> Image.Image:
    """A banner with text: white and yellow letters on red, a percent sign in a disc."""
    width, height = 1200 * _SCALE, 400 * _SCALE
    image = Image.new("RGB", (width, height), (196, 22, 42))
    pen = ImageDraw.Draw(image)
    for left in range(-400, 1300, 120):  # slanted stripes, barely darker
        pen.polygon(_points((left, 400), (left + 60, 400), (left + 460, 0), (left + 400, 0)),
                    fill=(184, 16, 36))  # fmt: skip
    pen.ellipse(_box(880, 60, 1160, 340), fill=(255, 214, 10))
    _write(pen, (1020, 200), "%", 190, (196, 22, 42))
    _write(pen, (445, 130), "SUMMER SALE", 118, "white")
    _write(pen, (445, 245), "Up to 50% off all shoes", 58, (255, 214, 10))
    _write(pen, (445, 325), "This weekend only", 40, "white")
    return _finish(image)


def draw_colour_fields() -> Image.Image:
    """Three fields of flat colour: nothing that could be named or read."""
    width, height = 900 * _SCALE, 600 * _SCALE
    image = Image.new("RGB", (width, height), (20, 32, 90))
    pen = ImageDraw.Draw(image)
    pen.rectangle(_box(0, 0, 380, 600), fill=(216, 40, 40))
    pen.polygon(_points((380, 600), (900, 180), (900, 600)), fill=(248, 220, 48))
    return _finish(image)


def draw_landscape() -> Image.Image:
    """A landscape: evening sky with a low sun, three ridges, and a lake that reflects them."""
    width, height = 1200 * _SCALE, 800 * _SCALE
    horizon = 520 * _SCALE
    image = Image.new("RGB", (width, height))
    image.paste(_gradient((width, horizon // 2), (36, 92, 190), (142, 182, 232)), (0, 0))
    lower = _gradient((width, horizon // 2), (142, 182, 232), (255, 206, 140))
    image.paste(lower, (0, horizon // 2))
    glow = Image.new("L", (width, horizon), 0)
    ImageDraw.Draw(glow).ellipse(_box(750, 190, 1030, 470), fill=190)
    glow = _blur(glow, 45)
    image.paste(Image.new("RGB", (width, horizon), (255, 238, 190)), (0, 0), glow)
    pen = ImageDraw.Draw(image)
    pen.ellipse(_box(848, 280, 932, 364), fill=(255, 250, 226))
    _ridge(pen, base=400, height=120, seed=3, colour=(112, 118, 160))
    _ridge(pen, base=455, height=85, seed=8, colour=(72, 88, 122))
    _ridge(pen, base=500, height=45, seed=5, colour=(38, 62, 70))
    below = image.crop((0, 2 * horizon - height, width, horizon))
    lake = below.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    lake = Image.blend(lake, Image.new("RGB", lake.size, (44, 84, 128)), 0.38)
    image.paste(_blur(lake, 3), (0, horizon))
    pen = ImageDraw.Draw(image)
    random_values = random.Random(11)  # noqa: S311 - not for security; the same image every time
    for _ in range(90):
        y = random_values.uniform(532, 790)
        x, half = random_values.gauss(890, 18 + (y - 520) / 5), random_values.uniform(8, 34)
        pen.line(_points((x - half, y), (x + half, y)), fill=(246, 214, 160), width=_SCALE)
    return _finish(image)


DRAWINGS: Mapping[str, Callable[[], Image.Image]] = {
    "mug.jpg": draw_mug,
    "sale-banner.png": draw_banner,
    "colour-fields.png": draw_colour_fields,
    "mountain-lake.jpg": draw_landscape,
}


def save(image: Image.Image, path: Path) -> None:
    """Save small files: JPEG of quality 82, PNG with a palette of 64 colours."""
    if path.suffix == ".png":
        palette = image.quantize(64, dither=Image.Dither.NONE)
        palette.save(path, optimize=True)
    else:
        image.save(path, quality=82, optimize=True, progressive=True)


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    return tuple(edge * _SCALE for edge in (left, top, right, bottom))


def _points(*points: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * _SCALE, y * _SCALE) for x, y in points]


def _blur(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius * _SCALE))


def _finish(image: Image.Image) -> Image.Image:
    return image.reduce(_SCALE)


def _write(
    pen: ImageDraw.ImageDraw,
    middle: tuple[float, float],
    text: str,
    size: int,
    fill: Colour | str,
) -> None:
    font = ImageFont.load_default(size * _SCALE)
    x, y = middle
    pen.text((x * _SCALE, y * _SCALE), text, font=font, fill=fill, anchor="mm")


def _shadow(
    size: tuple[int, int], box: tuple[float, ...]
) -> tuple[Image.Image, tuple[int, int], Image.Image]:
    """The arguments of `paste` for a soft shadow in `box`: colour, position, mask."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(box, fill=110)
    return Image.new("RGB", size, (60, 66, 70)), (0, 0), _blur(mask, 16)


def _gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    column = Image.new("RGB", (1, 256))
    for step in range(256):
        column.putpixel((0, step), _mix(top, bottom, step / 255))
    return column.resize(size, Image.Resampling.BICUBIC)


def _shades(width: int, left: int, right: int, colour: Colour) -> Image.Image:
    """One row of a cylinder of this colour from `left` to `right`, lit from the left."""
    row = Image.new("RGB", (width, 1), colour)
    for x in range(left, right):
        where = (x - left) / (right - left)
        light = math.exp(-(((where - 0.28) / 0.16) ** 2)) * 0.45
        dark = max(0.0, where - 0.45) * 0.75 + max(0.0, 0.1 - where) * 2
        lit = _mix(colour, (255, 255, 255), light)
        row.putpixel((x, 0), _mix(lit, (0, 0, 0), min(0.6, dark)))
    return row


def _mix(one: Colour, other: Colour, ratio: float) -> Colour:
    red, green, blue = (round(a + (b - a) * ratio) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _ridge(
    pen: ImageDraw.ImageDraw, *, base: float, height: float, seed: int, colour: Colour
) -> None:
    """A line of mountains from edge to edge: a sum of waves, filled down to the lake."""
    random_values = random.Random(seed)  # noqa: S311 - not for security; the same image every time
    waves = [(2**n, 1 / 1.8**n, random_values.uniform(0, math.tau)) for n in range(7)]
    line = []
    for x in range(0, 1201, 4):
        angle = x / 1200 * math.tau
        lift = sum(
            size * (1 - abs(math.sin(angle * frequency / 2 + phase)))
            for frequency, size, phase in waves
        )
        line.append((float(x), base - height * (lift - 0.7)))
    pen.polygon(_points(*line, (1200, 520), (0, 520)), fill=colour)


def main() -> None:
    """Draw all images into the given folder, or over the ones in this package."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in DRAWINGS.items():
        save(drawing(), folder / name)


if __name__ == "__main__":
    main()
