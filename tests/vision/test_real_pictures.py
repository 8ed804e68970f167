"""Real pictures, where they lie beside the project: nothing informative is lost, nothing untrue."""

import io
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from app.vision.analyse import analyse
from app.vision.features import Features
from tests.vision.drawn import jpeg


@cache
def seen(path: Path) -> Features:
    with Image.open(path) as source:
        image = source.convert("RGBA")
    image.thumbnail((1200, 1200))
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image)
    return analyse(jpeg(flat))


@pytest.mark.parametrize("folder", ["photo", "product", "text"])
def test_no_real_picture_is_called_decorative_or_hopeless(corpora: Path, folder: str):
    """The mistake that costs most."""
    verdicts = {path.name: seen(path).verdict for path in (corpora / "images" / folder).iterdir()}
    assert set(verdicts.values()) == {"picture"}, verdicts


def test_most_decoration_is_found(corpora: Path):
    """A colour wheel with a sharp rim may pass for a picture."""
    verdicts = [seen(path).verdict for path in (corpora / "images" / "decorative").iterdir()]
    assert verdicts.count("decorative") >= len(verdicts) - 1


def test_hopeless_blur_is_uncertain(corpora: Path):
    """Heavy blur, and the smear of a moving camera."""
    verdicts = {seen(path).verdict for path in (corpora / "images" / "blurred").iterdir()}
    assert verdicts == {"uncertain"}


def test_every_product_is_one_thing_on_white(corpora: Path):
    """With its shadow left out, and the colour that its file name tells."""
    for path in (corpora / "images" / "product").iterdir():
        sight = seen(path)
        assert (sight.kind, sight.ground) == ("cutout", "white"), path.name
        assert sight.subject is not None
        assert sight.subject.has_shadow, path.name
        colours = [share.colour for share in sight.subject.colours]
        for colour in ("blue", "grey", "white"):
            if colour in path.stem.split("-"):
                assert colours[0] == colour, path.name


def test_photographs_are_not_taken_for_graphics(corpora: Path):
    """A star field on black is claimed to be nothing."""
    kinds = {path.name: seen(path).kind for path in (corpora / "images" / "photo").iterdir()}
    assert set(kinds.values()) <= {"photo", "any"}, kinds
    assert list(kinds.values()).count("photo") >= len(kinds) - 1, kinds


def test_a_broken_jpeg_is_an_error_and_not_a_crash():
    """Only what was normalised comes here; still nothing else than an error may happen."""
    whole = io.BytesIO()
    Image.effect_noise((400, 300), 60).save(whole, "JPEG")
    with pytest.raises(OSError, match="truncated"):
        analyse(whole.getvalue()[:2000])
