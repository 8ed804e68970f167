"""The subject of a cutout: its colours, outline, position and shadow."""

import pytest
from PIL import Image

from app.vision.analyse import analyse
from app.vision.features import Features
from tests.vision import drawn


def features_of(image: Image.Image) -> Features:
    return analyse(drawn.jpeg(image))


@pytest.mark.parametrize("name", drawn.COLOURS)
def test_a_product_on_white_is_one_subject_of_one_colour(name: str):
    """Shading, JPEG and a soft shadow change neither the colour's name nor the number."""
    features = features_of(drawn.product(drawn.COLOURS[name]))
    assert (features.triage, features.category, features.background) == (
        "describable",
        "cutout",
        "white",
    )
    assert features.subject is not None
    assert [share.colour for share in features.subject.colours] == [name]
    assert features.subject.outline == "tall"
    assert features.subject.has_shadow


def test_a_white_product_on_white_is_found():
    """Only its outline differs from the background."""
    features = features_of(drawn.product("#e0e0e0"))
    assert features.category == "cutout"
    assert features.subject is not None
    assert {share.colour for share in features.subject.colours} <= {"white", "light grey"}
    assert features.subject.area_share > 0.15


@pytest.mark.parametrize(
    ("box", "position", "outline"),
    [
        ((300, 200, 600, 700), "centre", "tall"),
        ((40, 350, 240, 560), "left", "unspecified"),
        ((660, 350, 860, 560), "right", "unspecified"),
        ((250, 30, 650, 200), "top", "wide"),
        ((250, 650, 650, 820), "bottom", "wide"),
        ((50, 40, 850, 800), "unspecified", "unspecified"),
    ],
)
def test_the_position_and_outline_of_a_product(box, position: str, outline: str):
    """Both follow from its bounding box."""
    subject = features_of(drawn.product("#1f5fd0", box=box)).subject
    assert subject is not None
    assert (subject.position, subject.outline) == (position, outline)


def test_a_ball_is_round_and_a_square_is_not():
    """Round means that the whole outline is equally far from the centre."""
    ball = features_of(drawn.ball("#d82828")).subject
    square = features_of(drawn.product("#d82828", box=(300, 300, 600, 600))).subject
    assert ball is not None
    assert square is not None
    assert (ball.outline, square.outline) == ("round", "unspecified")


def test_a_subject_that_the_edge_cuts_off_has_no_shadow():
    """The soft edge of an arm beside white is not a shadow."""
    image = drawn.product("#1f5fd0").crop((0, 0, 900, 650))
    subject = features_of(image).subject
    assert subject is not None
    assert not subject.has_shadow
