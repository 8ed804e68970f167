"""Orientation, region colours and bands."""

import pytest
from PIL import Image

from app.vision.analyse import analyse
from app.vision.features import Features
from tests.vision import drawn


def features_of(image: Image.Image) -> Features:
    return analyse(drawn.jpeg(image))


def test_two_bands_are_listed_from_top_to_bottom():
    """Only their colours are claimed."""
    assert features_of(drawn.bands()).bands == ("light blue", "green")


def test_the_main_colour_of_a_region_covers_half_of_it():
    """A third of red on black does not make a region red."""
    image = Image.new("RGB", (600, 600), "#151515")
    image.paste("#d82828", (0, 0, 600, 70))
    image.paste("#2b9a40", (150, 400, 600, 600))
    regions = features_of(image).regions
    assert (regions.top, regions.bottom) == ("black", "green")


@pytest.mark.parametrize(
    ("size", "orientation"),
    [
        ((600, 400), "landscape"),
        ((400, 600), "portrait"),
        ((500, 500), "square"),
        ((900, 300), "panorama"),
        ((300, 900), "column"),
    ],
)
def test_the_orientation_follows_from_width_and_height(size: tuple[int, int], orientation: str):
    assert features_of(Image.new("RGB", size, "white")).orientation == orientation
