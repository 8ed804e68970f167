"""Categories of drawn images."""

import pytest
from PIL import Image

from app.vision.analyse import analyse
from app.vision.features import Features
from tests.vision import drawn


def features_of(image: Image.Image) -> Features:
    return analyse(drawn.jpeg(image))


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("product", "cutout"),
        ("product on black", "cutout"),
        ("ball", "cutout"),
        ("transparent product", "cutout"),
        ("banner", "graphic"),
        ("bands", "graphic"),
        ("scene", "photo"),
        ("grey scene", "photo"),
        ("page", "document"),
        ("dark page", "document"),
        ("chart", "chart"),
        ("line drawing", "drawing"),
        ("word mark", "shapes"),
        ("icon", "icon"),
    ],
)
def test_each_category_is_recognised(name: str, category: str):
    """Each image was drawn as an example of its category."""
    assert features_of(drawn.DESCRIBABLE[name]()).category == category


def test_a_studio_photograph_is_not_a_flat_graphic():
    """Neighbouring pixels of its background are as flat, but it changes from side to side."""
    ramp = Image.linear_gradient("L").resize((900, 900)).point(lambda v: 200 + v // 6)
    image = Image.merge("RGB", (ramp, ramp, ramp.point(lambda v: v - 12)))
    image.paste("#303030", (330, 250, 570, 800))
    assert features_of(image).category not in ("graphic", "shapes", "cutout")


def test_pictures_in_a_row_are_not_a_chart():
    """They have one size, as on a page of a shop; bars differ in length."""
    image = Image.new("RGB", (900, 600), "white")
    for n, colour in enumerate(("#1f5fd0", "#f08018", "#2b9a40", "#d82828")):
        image.paste(colour, (60 + 210 * n, 200, 210 + 210 * n, 400))
    assert features_of(image).category != "chart"
