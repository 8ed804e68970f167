"""Main colours of an image and its background."""

import numpy as np
import pytest

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
        ("navy", "434e6b 3b4a66 404a60 3a4256 2e3a55 22304a 14205a"),
        ("dark grey", "50586c 4a5064 3d4454 3a3f45 474c52"),
        ("blue", "3d5a92 4a5f8a"),
    ],
)
def test_photographed_navy_is_neither_dark_grey_nor_slate_navy(colour: str, rgb: str):
    """Cloth in studio light is paler and greyer than the navy of a drawing: #434e6b is the median
    of a photographed navy shirt. Slate, a grey with a touch of blue, stays grey."""
    pixels = np.array([list(bytes.fromhex(digits)) for digits in rgb.split()], np.uint8)
    assert [name_colour(lab) for lab in to_oklab(pixels)] == [colour] * len(pixels)
