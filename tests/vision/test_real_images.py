"""Analysis of real images."""

from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from app.vision.analyse import analyse
from app.vision.features import Features
from tests.vision.drawn import jpeg


@cache
def features_of(path: Path) -> Features:
    with Image.open(path) as source:
        image = source.convert("RGBA")
    image.thumbnail((1200, 1200))
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image)
    return analyse(jpeg(flat))


@pytest.mark.parametrize("folder", ["photo", "product", "text"])
def test_no_informative_image_is_decorative_or_uncertain(corpora: Path, folder: str):
    """This mistake would leave an image without its text."""
    triages = {
        path.name: features_of(path).triage for path in (corpora / "images" / folder).iterdir()
    }
    assert set(triages.values()) == {"describable"}, triages


def test_most_decorative_images_are_recognised(corpora: Path):
    """All but one: a colour wheel with a sharp edge may be describable."""
    triages = [features_of(path).triage for path in (corpora / "images" / "decorative").iterdir()]
    assert triages.count("decorative") >= len(triages) - 1


def test_heavily_blurred_images_are_uncertain(corpora: Path):
    """Heavy blur and motion blur."""
    triages = {features_of(path).triage for path in (corpora / "images" / "blurred").iterdir()}
    assert triages == {"uncertain"}


def test_every_product_is_a_cutout_on_white(corpora: Path):
    """With a shadow, and with the colour that its file name states."""
    for path in (corpora / "images" / "product").iterdir():
        features = features_of(path)
        assert (features.category, features.background) == ("cutout", "white"), path.name
        assert features.subject is not None
        assert features.subject.has_shadow, path.name
        colours = [share.colour for share in features.subject.colours]
        for colour in ("blue", "grey", "white"):
            if colour in path.stem.split("-"):
                assert colours[0] == colour, path.name


def test_photographs_are_not_taken_for_graphics(corpora: Path):
    """All but one are photos; nothing is claimed about a star field on black."""
    categories = {
        path.name: features_of(path).category for path in (corpora / "images" / "photo").iterdir()
    }
    assert set(categories.values()) <= {"photo", "any"}, categories
    assert list(categories.values()).count("photo") >= len(categories) - 1, categories
