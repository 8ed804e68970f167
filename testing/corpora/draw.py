"""Writes the folder of images and texts that the fixture `corpora` hands to tests."""

import io
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from testing import bombs
from testing.corpora import icc

_HERE = Path(__file__).parent
_ORIENTATION_TAG = 0x0112
_TRANSPOSED = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
"""How pixels are stored for each EXIF orientation, so that the image is shown upright."""


def write_corpora(folder: Path) -> None:
    """Write `images/KIND/NAME` and the JSONL files."""
    for path in _HERE.glob("*.jsonl"):
        shutil.copy(path, folder)
    for kind, draw in _KINDS.items():
        target = folder / "images" / kind
        target.mkdir(parents=True)
        for name, data in draw():
            (target / name).write_bytes(data)


def _photograph(name: str) -> Image.Image:
    with Image.open(_HERE / "photographs" / name) as image:
        return image.convert("RGB")


def _encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def _photographs() -> Iterator[tuple[str, bytes]]:
    for name in ("cat.jpg", "coffee.jpg", "rocket.jpg"):
        yield name, (_HERE / "photographs" / name).read_bytes()


def _products() -> Iterator[tuple[str, bytes]]:
    """Products on white with a shadow; the name states the colour."""
    shapes: dict[str, tuple[str, Callable[[ImageDraw.ImageDraw], None]]] = {
        "blue-bottle.png": ("#1f4fc0", _draw_bottle),
        "red-box.png": ("#c82828", _draw_box),
        "grey-box.png": ("#7c7c7c", _draw_box),
        "green-bottle.png": ("#2b8a40", _draw_bottle),
    }
    for name, (colour, draw) in shapes.items():
        mask = Image.new("L", (900, 900), 0)
        draw(ImageDraw.Draw(mask))
        image = Image.new("RGB", mask.size, "white")
        shadow = Image.new("L", mask.size, 0)
        left, _, right, bottom = mask.getbbox() or (0, 0, 0, 0)
        ImageDraw.Draw(shadow).ellipse((left + 20, bottom + 10, right - 20, bottom + 50), fill=70)
        image.paste("black", mask=shadow.filter(ImageFilter.GaussianBlur(16)))
        light = Image.linear_gradient("L").rotate(90).resize(mask.size).point(lambda v: v // 12)
        product = Image.composite(
            Image.new("RGB", mask.size, "white"), Image.new("RGB", mask.size, colour), light
        )
        image.paste(product, mask=mask)
        yield name, _encode(image, "PNG")


def _draw_bottle(pen: ImageDraw.ImageDraw) -> None:
    pen.rounded_rectangle((330, 320, 570, 720), 60, fill=255)
    pen.rectangle((410, 180, 490, 340), fill=255)
    pen.rectangle((400, 150, 500, 200), fill=255)


def _draw_box(pen: ImageDraw.ImageDraw) -> None:
    pen.polygon([(300, 330), (450, 260), (600, 330), (600, 640), (450, 720), (300, 640)], fill=255)


def _texts() -> Iterator[tuple[str, bytes]]:
    banner = Image.new("RGB", (1000, 320), "#14205a")
    pen = ImageDraw.Draw(banner)
    pen.text((60, 60), "Open all summer", fill="white", font=ImageFont.load_default(96))
    pen.text(
        (60, 200), "Boats, bicycles and tents", fill="#f8dc30", font=ImageFont.load_default(54)
    )
    yield "banner.png", _encode(banner, "PNG")

    chart = Image.new("RGB", (800, 560), "white")
    pen = ImageDraw.Draw(chart)
    pen.text((250, 20), "Visitors per quarter", fill="black", font=ImageFont.load_default(32))
    for place, (height, colour) in enumerate(
        ((120, "#1f5fd0"), (330, "#f08018"), (240, "#2b9a40"), (90, "#d82828"))
    ):
        left = 90 + place * 180
        pen.rectangle((left, 480 - height, left + 110, 480), fill=colour)
        label = ("Spring", "Summer", "Autumn", "Winter")[place]
        pen.text((left + 10, 495), label, fill="black", font=ImageFont.load_default(24))
    pen.line((60, 480, 780, 480), fill="black", width=3)
    yield "chart.png", _encode(chart, "PNG")

    page = Image.new("RGB", (800, 1000), "white")
    pen = ImageDraw.Draw(page)
    for line in range(22):
        text = "The harbour was quiet, and only a few boats had left the quay."
        pen.text((60, 60 + line * 40), text, fill="#202020", font=ImageFont.load_default(23))
    yield "page.png", _encode(page, "PNG")

    logo = Image.new("RGB", (240, 240), "white")
    pen = ImageDraw.Draw(logo)
    pen.ellipse((10, 10, 230, 230), fill="#14502a")
    pen.polygon([(50, 180), (110, 70), (150, 130), (165, 110), (200, 180)], fill="white")
    yield "logo.png", _encode(logo, "PNG")


def _decorative() -> Iterator[tuple[str, bytes]]:
    for name in ("bricks.jpg", "gravel.jpg"):
        yield name, (_HERE / "photographs" / name).read_bytes()
    yield (
        "gradient.png",
        _encode(Image.linear_gradient("L").resize((800, 400)).convert("RGB"), "PNG"),
    )
    checks = Image.new("L", (400, 400), 0)
    pen = ImageDraw.Draw(checks)
    for x in range(0, 400, 40):
        for y in range(0, 400, 40):
            if (x + y) // 40 % 2:
                pen.rectangle((x, y, x + 39, y + 39), fill=255)
    yield "checks.png", _encode(checks, "PNG")
    yield "divider.png", _encode(Image.new("RGB", (600, 4), "#c0c0c0"), "PNG")


def _blurred() -> Iterator[tuple[str, bytes]]:
    coffee, cat = _photograph("coffee.jpg"), _photograph("cat.jpg")
    yield "heavy.jpg", _encode(coffee.filter(ImageFilter.GaussianBlur(16)), "JPEG", quality=90)
    motion = cat
    for shift in (1, 2, 4, 8, 16, 32):  # the mean of 64 shifted copies
        motion = Image.blend(motion, ImageChops.offset(motion, shift, 0), 0.5)
    motion = motion.filter(ImageFilter.GaussianBlur(6))
    yield "motion.jpg", _encode(motion, "JPEG", quality=90)


def _orientations() -> Iterator[tuple[str, bytes]]:
    landscape = _photograph("rocket.jpg")
    portrait = _photograph("cat.jpg").crop((80, 0, 280, 300))
    for name, image, numbers in (
        ("Landscape", landscape, (1, 3, 6, 8)),
        ("Portrait", portrait, (5, 6)),
    ):
        for number in numbers:
            transposition = _TRANSPOSED[number]
            stored = image if transposition is None else image.transpose(transposition)
            exif = Image.Exif()
            exif[_ORIENTATION_TAG] = number
            yield f"{name}_{number}.jpg", _encode(stored, "JPEG", quality=92, exif=exif)


def _formats() -> Iterator[tuple[str, bytes]]:
    photograph = _photograph("coffee.jpg").resize((300, 200))
    huge = Image.new("L", (9643, 10328), 90)
    ImageDraw.Draw(huge).ellipse((2000, 2000, 7000, 7000), fill=200)
    yield "9643x10328.jpg", _encode(huge, "JPEG", quality=50)
    cmyk = photograph.convert("CMYK")
    yield "cmyk.jpg", _encode(cmyk, "JPEG", quality=80)
    yield "cmyk-icc.jpg", _encode(cmyk, "JPEG", quality=80, icc_profile=icc.make_cmyk_profile())
    yield "256_color_palette.png", _encode(photograph.quantize(256), "PNG")
    row = b"\0" + b"".join(struct.pack(">HH", x * 200, 65_535 - x * 100) for x in range(300))
    yield "16-bit-grey-alpha.png", bombs.png((300, 200), 16, 4, row * 200)
    grey = photograph.convert("I").point(lambda v: v * 257).convert("I;16")
    yield "16-bit-grey.tif", _encode(grey, "TIFF")
    yield "image.avif", _encode(photograph, "AVIF", quality=60)
    yield "image.webp", _encode(photograph, "WEBP", quality=70)
    frames = [ImageChops.offset(photograph, 30 * number, 0).quantize(64) for number in range(4)]
    yield (
        "animated.gif",
        _encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0),
    )
    second = photograph.convert("L").resize((150, 100)).convert("RGB")
    yield (
        "gain-map.jpg",
        _encode(photograph, "MPO", save_all=True, append_images=[second], quality=80),
    )
    yield "full-transparent.png", _encode(Image.new("RGBA", (200, 200), (255, 0, 0, 0)), "PNG")
    yield "940x2.png", _encode(Image.linear_gradient("L").resize((940, 2)), "PNG")
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><circle cx="4" cy="4" r="3"/></svg>'
    yield "circle.svg", svg.encode()


def _hostile() -> Iterator[tuple[str, bytes]]:
    sound = _encode(_photograph("cat.jpg"), "PNG")
    jpeg = _encode(_photograph("cat.jpg"), "JPEG", quality=85)
    yield "truncated.png", sound[: len(sound) // 3]
    yield "truncated_jpeg.jpg", jpeg[: len(jpeg) // 2]
    yield "broken.png", sound[:80]
    yield "corrupt-header.jpg", jpeg[:20] + bytes(200) + jpeg[220:1024]
    yield "16384x16384.png", bombs.png((16_384, 16_384), 8, 6, bytes(1000))
    yield "65536-uint32-limit.png", bombs.png((65_536, 65_536), 8, 2, bytes(1000))
    yield "decompression_bomb.gif", bombs.oversized_gif()
    yield "decompression_bomb.webp", bombs.oversized_webp()
    for name, exif in (
        ("invalid-exif.jpg", b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        ("broken-exif-tag.jpg", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x63\0\xff\xff\xff\x7f"),
    ):
        segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
        yield name, jpeg[:2] + segment + jpeg[2:]
    bmp = bytearray(_encode(Image.new("RGB", (16, 16), "red"), "BMP"))
    struct.pack_into("<i", bmp, 18, -16)
    yield "badwidth.bmp", bytes(bmp)
    yield "cyclic.tif", bombs.cyclic_tiff()
    yield "icon.ico", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0"
    yield "layers.psd", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 64, 8, 3)


_KINDS = {
    "photo": _photographs,
    "product": _products,
    "text": _texts,
    "decorative": _decorative,
    "blurred": _blurred,
    "orientation": _orientations,
    "formats": _formats,
    "hostile": _hostile,
}
