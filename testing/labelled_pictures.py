"""Pictures whose truth is known because they are drawn here: their words, kind and colours."""

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
"""Drawn with where they are installed; for one that is not, with the first that is."""

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
"""What a shopper would call each; none is an anchor of the captioner's own table."""
DARK = ("black", "navy", "blue", "teal", "dark green", "dark red", "purple", "brown")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and what is true of it. None: not judged."""

    name: str
    picture: Image.Image
    words: tuple[str, ...] = ()
    """Every word that is written in it."""
    kinds: tuple[str, ...] = ()
    """Kinds that would be right (`any` is the neutral truth); empty: not judged."""
    colours: tuple[str, ...] = ()
    """What stands on the ground, or the whole, must lead with one of these."""
    verdict: str = "picture"


def labelled_set(seed: int = 1) -> Iterator[Labelled]:
    """The whole set, the same for the same seed and fonts: some hundred pictures."""
    chance = random.Random(seed)  # a benchmark wants the same every time
    faces = _faces()
    for locale, signs in SIGNS.items():
        for number, sign in enumerate(signs):
            face = faces[number % len(faces)]
            yield _banner(f"banner {locale} {number}", sign, face, chance)
            yield _product(f"product {locale} {number}", sign, face, chance)
        yield _word_mark(f"word mark {locale}", signs[0], faces[0], chance)
        yield _scene(f"scene {locale}", signs[1], faces[0], chance)
        yield _layout(f"layout {locale}", signs, faces[0])
    for number, face in enumerate(faces):
        yield _page(f"page {number}", face, 26 + 4 * number)
        yield _chart(f"chart {number}", face, chance)
    for name, colour in COLOURS.items():
        yield Labelled(f"item {name}", _item(colour), (), ("cutout",), (name,))
    yield from _without_text()


def _faces() -> list[str | None]:
    found = {
        path.name: str(path)
        for folder in FONT_FOLDERS
        if Path(folder).is_dir()
        for path in Path(folder).rglob("*.ttf")
    }
    instead = next((found[name] for name in FACES if name in found), None)
    return [found.get(name, instead) for name in FACES]


def _font(face: str | None, size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.truetype(face, size) if face else ImageFont.load_default(size)


def _fitting(
    draw: ImageDraw.ImageDraw, text: str, face: str | None, width: float, most: int
) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    size = most
    while size > 12 and draw.textlength(text, font=_font(face, size)) > width:
        size -= 2
    return _font(face, size)


def _words(*texts: str) -> tuple[str, ...]:
    return tuple(word for text in texts for word in text.split())


def _banner(name: str, sign: str, face: str | None, chance: random.Random) -> Labelled:
    """Two flat colours and lettering of 40 to 110 px."""
    ground, band = chance.sample(DARK, 2)
    image = Image.new("RGB", (1200, 400), COLOURS[ground])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 300, 1200, 400), fill=COLOURS[band])
    font = _fitting(draw, sign, face, 1000, chance.randrange(40, 110))
    draw.text((chance.randrange(30, 150), 90), sign, fill="white", font=font)
    return Labelled(name, image, _words(sign), ("graphic", "any", "layers"), (ground,))


def _item(colour: str, ground: str = "white") -> Image.Image:
    image = Image.new("RGB", (900, 900), ground)
    shadow = Image.new("L", image.size, 0)
    ImageDraw.Draw(shadow).ellipse((270, 700, 630, 745), fill=70)
    image.paste("black", mask=shadow.filter(ImageFilter.GaussianBlur(16)))
    ImageDraw.Draw(image).rounded_rectangle((250, 180, 650, 720), radius=50, fill=colour)
    return image


def _product(name: str, sign: str, face: str | None, chance: random.Random) -> Labelled:
    """One thing on white, with print of 28 to 60 px on it."""
    colour = chance.choice(DARK)
    image = _item(COLOURS[colour])
    draw = ImageDraw.Draw(image)
    font = _fitting(draw, sign, face, 340, chance.randrange(28, 60))
    draw.text((450, 430), sign, fill="white", font=font, anchor="mm")
    return Labelled(name, image, _words(sign), ("cutout",), (colour,))


def _word_mark(name: str, sign: str, face: str | None, chance: random.Random) -> Labelled:
    colour = chance.choice(DARK)
    image = Image.new("RGB", (800, 300), "white")
    draw = ImageDraw.Draw(image)
    font = _fitting(draw, sign, face, 600, 120)
    draw.text((40, 150), sign, fill=COLOURS[colour], font=font, anchor="lm")
    draw.ellipse((700, 110, 780, 190), fill=COLOURS["orange"])
    return Labelled(name, image, _words(sign), ("shapes", "any"), (colour,))


def _grain(seed: int, size: tuple[int, int]) -> Image.Image:
    """Tones that change everywhere at every scale, as in a photograph."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (3, 6, 12, 24, 60, 200):
        rough = rng.uniform(0, 255, (cells, cells + 1, 3)).astype(np.uint8)
        layer = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=float) / (0.7 * cells**0.7)
    total = (total - total.min()) / (total.max() - total.min()) * 255
    image = Image.fromarray(total.astype(np.uint8)).filter(ImageFilter.EDGE_ENHANCE)
    # Something sharp, or it would rightly be called blurred.
    width, height = size
    corners = [(0.15, 0.98), (0.4, 0.2), (0.5, 0.85), (0.65, 0.98)]
    ImageDraw.Draw(image).polygon([(x * width, y * height) for x, y in corners], fill="#403020")
    return image


def _scene(name: str, sign: str, face: str | None, chance: random.Random) -> Labelled:
    """A sign in a photographic scene."""
    image = _grain(chance.randrange(1000), (960, 640))
    draw = ImageDraw.Draw(image)
    font = _fitting(draw, sign, face, 420, 54)
    width = draw.textlength(sign, font=font)
    draw.rectangle((200, 200, 240 + width, 290), fill="#f4f0e4")
    draw.text((220, 245), sign, fill="#202020", font=font, anchor="lm")
    return Labelled(name, image, _words(sign), ("photo", "any"))


def _layout(name: str, signs: tuple[str, ...], face: str | None) -> Labelled:
    """Boxes with short texts, as on a screen."""
    image = Image.new("RGB", (1200, 800), "#f2f4f7")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1200, 90), fill="#14205a")
    draw.text((40, 45), signs[0], fill="white", font=_font(face, 44), anchor="lm")
    for place, sign in enumerate(signs[1:]):
        left, top = 60 + 560 * (place % 2), 150 + 310 * (place // 2)
        draw.rounded_rectangle((left, top, left + 520, top + 270), 14, fill="white")
        draw.text((left + 30, top + 50), sign, fill="#202020", font=_font(face, 30), anchor="lm")
        draw.rectangle((left + 30, top + 100, left + 490, top + 230), fill="#9cc9ec")
    return Labelled(name, image, _words(*signs))


def _page(name: str, face: str | None, size: int) -> Labelled:
    image = Image.new("RGB", (900, 1200), "white")
    draw = ImageDraw.Draw(image)
    font = _fitting(draw, max(PROSE, key=len), face, 780, size)
    for line, text in enumerate((*PROSE, *PROSE)):
        draw.text((60, 80 + line * 60), text, fill="#202020", font=font)
    return Labelled(name, image, _words(*PROSE), ("document",), ("black", "dark grey"))


def _chart(name: str, face: str | None, chance: random.Random) -> Labelled:
    image = Image.new("RGB", (900, 600), "white")
    draw = ImageDraw.Draw(image)
    title, labels = "Visitors per quarter", ("Spring", "Summer", "Autumn", "Winter")
    draw.text((450, 40), title, fill="black", font=_font(face, 36), anchor="mm")
    for place, label in enumerate(labels):
        colour = COLOURS[chance.choice(("blue", "orange", "green", "red", "light blue"))]
        left = 120 + place * 190
        draw.rectangle((left, 520 - chance.randrange(80, 380), left + 120, 520), fill=colour)
        draw.text((left + 60, 550), label, fill="black", font=_font(face, 24), anchor="mm")
    draw.line((80, 520, 880, 520), fill="black", width=2)
    return Labelled(name, image, _words(title, *labels), ("chart",))


def _without_text() -> Iterator[Labelled]:
    rng = np.random.default_rng(5)
    for number in range(6):
        yield Labelled(
            f"scene without text {number}", _grain(number, (960, 640)), (), ("photo", "any")
        )
    noise = Image.fromarray(rng.integers(0, 256, (500, 700, 3), dtype=np.uint8))
    y, x = np.indices((480, 480)) // 40
    yield Labelled("noise", noise, verdict="decorative")
    checks = Image.fromarray(((x + y) % 2 * 255).astype(np.uint8))
    yield Labelled("checks", checks, verdict="decorative")
    fade = Image.linear_gradient("L").resize((800, 500)).convert("RGB")
    yield Labelled("gradient", fade, verdict="decorative")
    yield Labelled("blank", Image.new("RGB", (400, 300), "#fafafa"), verdict="decorative")
    blurred = _grain(3, (640, 480)).filter(ImageFilter.GaussianBlur(16))
    yield Labelled("blurred", blurred, verdict="uncertain")
    yield Labelled("dark", _grain(3, (640, 480)).point(_nearly_black), verdict="uncertain")


def _nearly_black(value: int) -> int:
    return value // 12
