"""Drawn images of every category, as JPEG of quality 80, like those of the normaliser."""

import io
import random
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

COLOURS = {
    "black": "#151515",
    "grey": "#808080",
    "navy": "#14205a",
    "blue": "#1f5fd0",
    "light blue": "#9cc9ec",
    "teal": "#0f7474",
    "turquoise": "#38cfc8",
    "green": "#2b9a40",
    "dark green": "#14502a",
    "olive": "#74742c",
    "yellow": "#f8dc30",
    "orange": "#f08018",
    "red": "#d82828",
    "dark red": "#74161f",
    "pink": "#f48fb8",
    "purple": "#6c2a94",
    "lavender": "#b8a4dc",
    "brown": "#6e4526",
    "beige": "#d9c4a0",
    "gold": "#c8a028",
}
"""The name that a shopper would use, and a colour for it that is no anchor."""


def jpeg(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.convert("RGB").save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


@cache
def product(
    colour: str, box=(300, 220, 600, 700), background="white", size=(900, 900)
) -> Image.Image:
    """A rounded product with a soft shadow below it, shaded from left to right."""
    image = Image.new("RGB", size, background)
    shadow = Image.new("L", size, 0)
    left, _, right, bottom = box
    ImageDraw.Draw(shadow).ellipse((left + 20, bottom + 10, right - 20, bottom + 50), fill=70)
    image.paste("black", mask=shadow.filter(ImageFilter.GaussianBlur(16)))
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius=50, fill=255)
    light = Image.linear_gradient("L").rotate(90).resize(size).point(lambda v: v // 14)
    item = Image.composite(Image.new("RGB", size, "white"), Image.new("RGB", size, colour), light)
    image.paste(item, mask=mask)
    return image


def ball(colour: str) -> Image.Image:
    image = Image.new("RGB", (600, 600), "white")
    ImageDraw.Draw(image).ellipse((180, 180, 420, 420), fill=colour)
    return image


def banner() -> Image.Image:
    image = Image.new("RGB", (1200, 400), "#14205a")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1200, 150), fill="#f08018")
    draw.polygon([(800, 400), (1000, 200), (1200, 400)], fill="#f8f8f8")
    draw.text((80, 200), "SPRING SALE", fill="white", font=ImageFont.load_default(90))
    return image


def bands() -> Image.Image:
    image = Image.new("RGB", (900, 600), "#a8d0f0")
    ImageDraw.Draw(image).rectangle((0, 330, 900, 600), fill="#2b9a40")
    return image


@cache
def noisy_scene(seed: int = 3) -> Image.Image:
    """Noise at every scale, with the continuous tones of a photograph."""
    rng = np.random.default_rng(seed)
    total = np.zeros((480, 640, 3))
    for cells in (3, 6, 12, 24, 60, 200):
        rough = rng.uniform(0, 255, (cells, cells + 1, 3)).astype(np.uint8)
        layer = Image.fromarray(rough).resize((640, 480), Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=float) / (0.7 * cells**0.7)
    total = (total - total.min()) / (total.max() - total.min()) * 255
    sharp = np.asarray(Image.fromarray(total.astype(np.uint8)).filter(ImageFilter.EDGE_ENHANCE))
    image = Image.fromarray(sharp)
    ImageDraw.Draw(image).polygon([(100, 470), (250, 90), (330, 400), (420, 470)], fill="#403020")
    return image


@cache
def page(background="white", ink="#202020") -> Image.Image:
    rng = random.Random(1)
    image = Image.new("RGB", (850, 1100), background)
    draw = ImageDraw.Draw(image)
    words = ("lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "elit", "sed", "do")
    for y in range(90, 1000, 34):
        line = ""
        while draw.textlength(line, font=ImageFont.load_default(20)) < 600:
            line += rng.choice(words) + " "
        draw.text((80, y), line, fill=ink, font=ImageFont.load_default(20))
    return image


@cache
def chart() -> Image.Image:
    image = Image.new("RGB", (800, 500), "white")
    draw = ImageDraw.Draw(image)
    for n, (height, colour) in enumerate(
        [(300, "#1f5fd0"), (180, "#f08018"), (240, "#2b9a40"), (120, "#1f5fd0")]
    ):
        draw.rectangle((120 + n * 160, 430 - height, 220 + n * 160, 430), fill=colour)
    draw.line((80, 430, 760, 430), fill="black", width=2)
    draw.line((80, 60, 80, 430), fill="black", width=2)
    draw.text((300, 20), "Visitors per quarter", fill="black", font=ImageFont.load_default(22))
    return image


def line_drawing() -> Image.Image:
    image = Image.new("RGB", (700, 600), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 80, 480, 360), outline="black", width=3)
    draw.arc((260, 180, 420, 320), 20, 160, fill="black", width=3)
    draw.line((340, 360, 340, 540), fill="black", width=3)
    draw.line((340, 420, 240, 500), fill="black", width=3)
    draw.line((340, 420, 450, 480), fill="black", width=3)
    return image


def word_mark() -> Image.Image:
    image = Image.new("RGB", (600, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), "ABC", fill="#005a9c", font=ImageFont.load_default(180))
    draw.ellipse((470, 60, 540, 130), fill="#d82828")
    return image


def transparent_product() -> Image.Image:
    """A transparent cutout, flattened on white."""
    image = Image.new("RGBA", (500, 500), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((120, 200, 420, 320), fill="#2b9a40")
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image)
    return flat


def gradient() -> Image.Image:
    return Image.linear_gradient("L").resize((800, 500)).convert("RGB")


def checks() -> Image.Image:
    y, x = np.indices((480, 480)) // 40
    return Image.fromarray(((x + y) % 2 * 255).astype(np.uint8))


def stripes() -> Image.Image:
    x = np.indices((300, 600))[1] // 15
    return Image.fromarray((x % 2 * 120 + 100).astype(np.uint8))


@cache
def noise() -> Image.Image:
    values = np.random.default_rng(5).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    return Image.fromarray(values)


def divider() -> Image.Image:
    image = Image.new("RGB", (600, 20), "white")
    ImageDraw.Draw(image).line((0, 10, 600, 10), fill="#88aacc", width=2)
    return image


@cache
def blurred() -> Image.Image:
    return noisy_scene().filter(ImageFilter.GaussianBlur(16))


def dark() -> Image.Image:
    return noisy_scene().point(lambda v: v // 12)


def icon() -> Image.Image:
    image = Image.new("RGB", (24, 24), "#f08018")
    ImageDraw.Draw(image).rectangle((7, 7, 16, 16), fill="white")
    return image


def flag() -> Image.Image:
    """Three broad stripes, which are no pattern."""
    image = Image.new("RGB", (600, 400), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 200, 400), fill="#14205a")
    draw.rectangle((400, 0, 600, 400), fill="#d82828")
    return image


DESCRIBABLE = {
    "product": lambda: product("#1f5fd0"),
    "product on black": lambda: product("#f8dc30", background="#101010"),
    "ball": lambda: ball("#d82828"),
    "banner": banner,
    "bands": bands,
    "scene": noisy_scene,
    "grey scene": lambda: noisy_scene().convert("L"),
    "page": page,
    "dark page": lambda: page("#14205a", "white"),
    "chart": chart,
    "line drawing": line_drawing,
    "word mark": word_mark,
    "transparent product": transparent_product,
    "icon": icon,
    "flag": flag,
    "single line of text": lambda: page().crop((60, 80, 560, 118)),
    "faint text": lambda: page("#ffffff", "#dcdcdc"),
}
DECORATIVE = {
    "blank": lambda: Image.new("RGB", (400, 300), "#fafafa"),
    "one pixel": lambda: Image.new("RGB", (1, 1), "white"),
    "gradient": gradient,
    "checks": checks,
    "stripes": stripes,
    "noise": noise,
    "grey noise": lambda: noise().convert("L"),
    "divider": divider,
    "spacer": lambda: Image.new("RGB", (940, 2), "#3060a0"),
    "black": lambda: Image.new("RGB", (400, 300), "black"),
}
UNCERTAIN = {"blurred": blurred, "dark": dark}
