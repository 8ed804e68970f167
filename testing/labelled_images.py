"""Drawn images with labels: the words in them, their category and colours."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONT_FOLDERS = ("/usr/share/fonts", "/Library/Fonts")
FACES = (
    "DejaVuSans.ttf",
    "DejaVuSerif-Bold.ttf",
    "LiberationSans-Bold.ttf",
    "LiberationSerif-Regular.ttf",
    "LiberationSansNarrow-Bold.ttf",
    "LiberationSerif-Italic.ttf",
)
"""Used where they are installed; the first installed one replaces the others."""

SIGNS = {
    "en": ("Winter Sale", "Up to 30% off", "Open until 9 pm", "Fresh Bread Daily", "T-Shirt"),
    "de": ("Große Auswahl", "Heute geöffnet", "Frühstück für zwei", "Käse und Brot", "E-Bikes"),
    "fr": ("Soldes d'été", "Ouvert le dimanche", "Pâtisserie française", "Café-crème", "Entrée"),
    "es": ("Rebajas de otoño", "Abierto todo el día", "Pan y café", "Mañana cerrado", "Niños"),
    "hr": ("Svježi kruh", "Otvoreno svaki dan", "Ljetni popust", "Domaći čaj", "Još uvijek"),
}
PROSE = (
    "The harbour was quiet in the early morning",
    "and only a few boats had left the quay.",
    "A thin mist lay over the water and the",
    "smell of coffee came from the open doors.",
    "Nobody spoke while the first net was mended,",
    "and the lamp above the jetty still burned.",
    "Later the market would fill with voices,",
    "with crates of lemons and bundles of herbs.",
)
COLOURS = {
    "black": "#151515",
    "navy": "#14205a",
    "blue": "#1f5fd0",
    "teal": "#0f7474",
    "green": "#2b9a40",
    "dark green": "#14502a",
    "yellow": "#f8dc30",
    "orange": "#f08018",
    "red": "#d82828",
    "dark red": "#74161f",
    "pink": "#f48fb8",
    "purple": "#6c2a94",
    "brown": "#6e4526",
    "grey": "#808080",
    "light blue": "#9cc9ec",
    "lavender": "#b8a4dc",
}
"""The name that a shopper would use; none is an anchor of `app.vision.colour_names`."""
DARK = ("black", "navy", "blue", "teal", "dark green", "dark red", "purple", "brown")


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image and its label. A field that is empty is not evaluated."""

    name: str
    image: Image.Image
    words: tuple[str, ...] = ()
    """Every word in the image."""
    categories: tuple[str, ...] = ()
    """Categories that are right, `layers` for two bands included (`any` claims nothing)."""
    colours: tuple[str, ...] = ()
    """The first main colour must be one of these."""
    triage: str = "describable"


def draw_labelled_images(seed: int = 1) -> Iterator[LabelledImage]:
    """About a hundred images, the same for the same seed and fonts."""
    rng = random.Random(seed)
    faces = find_faces()
    for locale, signs in SIGNS.items():
        for number, sign in enumerate(signs):
            face = faces[number % len(faces)]
            yield _banner(f"banner {locale} {number}", sign, face, rng)
            yield _product(f"product {locale} {number}", sign, face, rng)
        yield _word_mark(f"word mark {locale}", signs[0], faces[0], rng)
        yield _scene(f"scene {locale}", signs[1], faces[0], rng)
        yield _layout(f"layout {locale}", signs, faces[0])
    for number, face in enumerate(faces):
        yield _page(f"page {number}", face, 26 + 4 * number)
        yield _chart(f"chart {number}", face, rng)
    for name, colour in COLOURS.items():
        yield LabelledImage(f"item {name}", _draw_item(colour), (), ("cutout",), (name,))
    yield from _without_text()


def find_faces() -> list[str | None]:
    installed = {
        path.name: str(path)
        for folder in FONT_FOLDERS
        if Path(folder).is_dir()
        for path in Path(folder).rglob("*.ttf")
    }
    replacement = next((installed[name] for name in FACES if name in installed), None)
    return [installed.get(name, replacement) for name in FACES]


def load_font(face: str | None, size_px: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.truetype(face, size_px) if face else ImageFont.load_default(size_px)


def _load_fitting_font(
    draw: ImageDraw.ImageDraw, text: str, face: str | None, width_px: float, max_size_px: int
) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    size_px = max_size_px
    while size_px > 12 and draw.textlength(text, font=load_font(face, size_px)) > width_px:
        size_px -= 2
    return load_font(face, size_px)


def _split_words(*texts: str) -> tuple[str, ...]:
    return tuple(word for text in texts for word in text.split())


def _banner(name: str, sign: str, face: str | None, rng: random.Random) -> LabelledImage:
    """Two flat colours and lettering of 40 to 110 px."""
    background, band = rng.sample(DARK, 2)
    image = Image.new("RGB", (1200, 400), COLOURS[background])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 300, 1200, 400), fill=COLOURS[band])
    font = _load_fitting_font(draw, sign, face, 1000, rng.randrange(40, 110))
    draw.text((rng.randrange(30, 150), 90), sign, fill="white", font=font)
    return LabelledImage(
        name, image, _split_words(sign), ("graphic", "any", "layers"), (background,)
    )


def _draw_item(colour: str, background: str = "white") -> Image.Image:
    image = Image.new("RGB", (900, 900), background)
    shadow = Image.new("L", image.size, 0)
    ImageDraw.Draw(shadow).ellipse((270, 700, 630, 745), fill=70)
    image.paste("black", mask=shadow.filter(ImageFilter.GaussianBlur(16)))
    ImageDraw.Draw(image).rounded_rectangle((250, 180, 650, 720), radius=50, fill=colour)
    return image


def _product(name: str, sign: str, face: str | None, rng: random.Random) -> LabelledImage:
    """One product on white, with print of 28 to 60 px on it."""
    colour = rng.choice(DARK)
    image = _draw_item(COLOURS[colour])
    draw = ImageDraw.Draw(image)
    font = _load_fitting_font(draw, sign, face, 340, rng.randrange(28, 60))
    draw.text((450, 430), sign, fill="white", font=font, anchor="mm")
    return LabelledImage(name, image, _split_words(sign), ("cutout",), (colour,))


def _word_mark(name: str, sign: str, face: str | None, rng: random.Random) -> LabelledImage:
    colour = rng.choice(DARK)
    image = Image.new("RGB", (800, 300), "white")
    draw = ImageDraw.Draw(image)
    font = _load_fitting_font(draw, sign, face, 600, 120)
    draw.text((40, 150), sign, fill=COLOURS[colour], font=font, anchor="lm")
    draw.ellipse((700, 110, 780, 190), fill=COLOURS["orange"])
    return LabelledImage(name, image, _split_words(sign), ("shapes", "any"), (colour,))


def _draw_noise(seed: int, size: tuple[int, int]) -> Image.Image:
    """Noise at every scale, with the continuous tones of a photograph."""
    generator = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (3, 6, 12, 24, 60, 200):
        rough = generator.uniform(0, 255, (cells, cells + 1, 3)).astype(np.uint8)
        layer = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=float) / (0.7 * cells**0.7)
    total = (total - total.min()) / (total.max() - total.min()) * 255
    image = Image.fromarray(total.astype(np.uint8)).filter(ImageFilter.EDGE_ENHANCE)
    # A sharp edge, without which it would be blurred.
    width, height = size
    corners = [(0.15, 0.98), (0.4, 0.2), (0.5, 0.85), (0.65, 0.98)]
    ImageDraw.Draw(image).polygon([(x * width, y * height) for x, y in corners], fill="#403020")
    return image


def _scene(name: str, sign: str, face: str | None, rng: random.Random) -> LabelledImage:
    """A sign in a photographic scene."""
    image = _draw_noise(rng.randrange(1000), (960, 640))
    draw = ImageDraw.Draw(image)
    font = _load_fitting_font(draw, sign, face, 420, 54)
    width = draw.textlength(sign, font=font)
    draw.rectangle((200, 200, 240 + width, 290), fill="#f4f0e4")
    draw.text((220, 245), sign, fill="#202020", font=font, anchor="lm")
    return LabelledImage(name, image, _split_words(sign), ("photo", "any"))


def _layout(name: str, signs: tuple[str, ...], face: str | None) -> LabelledImage:
    """Boxes with short texts, as on a screen."""
    image = Image.new("RGB", (1200, 800), "#f2f4f7")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1200, 90), fill="#14205a")
    draw.text((40, 45), signs[0], fill="white", font=load_font(face, 44), anchor="lm")
    for place, sign in enumerate(signs[1:]):
        left, top = 60 + 560 * (place % 2), 150 + 310 * (place // 2)
        draw.rounded_rectangle((left, top, left + 520, top + 270), 14, fill="white")
        draw.text(
            (left + 30, top + 50), sign, fill="#202020", font=load_font(face, 30), anchor="lm"
        )
        draw.rectangle((left + 30, top + 100, left + 490, top + 230), fill="#9cc9ec")
    return LabelledImage(name, image, _split_words(*signs))


def _page(name: str, face: str | None, size: int) -> LabelledImage:
    image = Image.new("RGB", (900, 1200), "white")
    draw = ImageDraw.Draw(image)
    font = _load_fitting_font(draw, max(PROSE, key=len), face, 780, size)
    for line, text in enumerate((*PROSE, *PROSE)):
        draw.text((60, 80 + line * 60), text, fill="#202020", font=font)
    return LabelledImage(name, image, _split_words(*PROSE), ("document",), ("black", "dark grey"))


def _chart(name: str, face: str | None, rng: random.Random) -> LabelledImage:
    image = Image.new("RGB", (900, 600), "white")
    draw = ImageDraw.Draw(image)
    title, labels = "Visitors per quarter", ("Spring", "Summer", "Autumn", "Winter")
    draw.text((450, 40), title, fill="black", font=load_font(face, 36), anchor="mm")
    for place, label in enumerate(labels):
        colour = COLOURS[rng.choice(("blue", "orange", "green", "red", "light blue"))]
        left = 120 + place * 190
        draw.rectangle((left, 520 - rng.randrange(80, 380), left + 120, 520), fill=colour)
        draw.text((left + 60, 550), label, fill="black", font=load_font(face, 24), anchor="mm")
    draw.line((80, 520, 880, 520), fill="black", width=2)
    return LabelledImage(name, image, _split_words(title, *labels), ("chart",))


def _without_text() -> Iterator[LabelledImage]:
    generator = np.random.default_rng(5)
    for number in range(6):
        yield LabelledImage(
            f"scene without text {number}", _draw_noise(number, (960, 640)), (), ("photo", "any")
        )
    noise = Image.fromarray(generator.integers(0, 256, (500, 700, 3), dtype=np.uint8))
    y, x = np.indices((480, 480)) // 40
    yield LabelledImage("noise", noise, triage="decorative")
    checks = Image.fromarray(((x + y) % 2 * 255).astype(np.uint8))
    yield LabelledImage("checks", checks, triage="decorative")
    fade = Image.linear_gradient("L").resize((800, 500)).convert("RGB")
    yield LabelledImage("gradient", fade, triage="decorative")
    yield LabelledImage("blank", Image.new("RGB", (400, 300), "#fafafa"), triage="decorative")
    blurred = _draw_noise(3, (640, 480)).filter(ImageFilter.GaussianBlur(16))
    yield LabelledImage("blurred", blurred, triage="uncertain")
    yield LabelledImage("dark", _draw_noise(3, (640, 480)).point(_nearly_black), triage="uncertain")


def _nearly_black(value: int) -> int:
    return value // 12
