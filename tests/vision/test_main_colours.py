"""Main colours of an image and its background."""

import numpy as np
import pytest
from PIL import Image

from app.vision.analyse import analyse
from app.vision.colour_naming import name_colour
from app.vision.oklab import to_oklab
from tests.vision import drawn


def test_a_page_has_the_colours_of_its_ink_and_its_paper():
    """The ink differs most from its surroundings."""
    features = analyse(drawn.jpeg(drawn.page("#14205a", "white")))
    assert (features.colours[0].colour, features.background) == ("white", "navy")


@pytest.mark.parametrize(
    ("colour", "rgb"),
    [
        ("navy", "434e6b 3b4a66 404a60 3a4256 2e3a55 22304a 14205a 1b2030 191d2d 12182b 0f1524"),
        ("dark grey", "50586c 4a5064 3d4454 3a3f45 474c52 2f3338"),
        ("black", "1a1d24 22262e 14171f 171b26 1c1c22"),
        ("blue", "3d5a92 4a5f8a 5a6f88 5f7a99 627894"),
        ("grey", "708090 6b7785 6d757d 778899"),
    ],
)
def test_photographed_navy_is_neither_dark_grey_nor_slate_navy(colour: str, rgb: str):
    """Cloth in studio light is paler and greyer than the navy of a drawing: #434e6b is the median
    of a photographed navy shirt. Slate, a grey with a touch of blue, stays grey."""
    pixels = np.array([list(bytes.fromhex(digits)) for digits in rgb.split()], np.uint8)
    assert [name_colour(lab) for lab in to_oklab(pixels)] == [colour] * len(pixels)


def shaded_product(darkest: int, lightest: int) -> Image.Image:
    """A neutral product on white, shaded from left to right between two levels of sRGB."""
    ramp = np.linspace(darkest, lightest, 400).astype(np.uint8)
    image = Image.new("RGB", (900, 900), "white")
    levels = np.broadcast_to(ramp[None, :, None], (500, 400, 3))
    image.paste(Image.fromarray(np.ascontiguousarray(levels)), (250, 200))
    return image


@pytest.mark.parametrize(
    ("darkest", "lightest", "colour"),
    [
        (190, 234, "white"),  # a mug
        (172, 206, "light grey"),  # a grey shirt
        (214, 214, "light grey"),  # flat
        (168, 248, "light grey"),  # polished metal
    ],
)
def test_the_shade_of_a_white_thing_on_white_is_white(darkest: int, lightest: int, colour: str):
    """Grey cloth is not as light anywhere, and metal has more contrast."""
    features = analyse(drawn.jpeg(shaded_product(darkest, lightest)))
    assert features.subject is not None
    assert features.subject.colours[0].colour == colour
