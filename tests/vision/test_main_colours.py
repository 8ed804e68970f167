"""Main colours of an image and its background."""

from app.vision.analyse import analyse
from tests.vision import drawn


def test_a_page_has_the_colours_of_its_ink_and_its_paper():
    """The ink differs most from its surroundings."""
    features = analyse(drawn.jpeg(drawn.page("#14205a", "white")))
    assert (features.colours[0].colour, features.background) == ("white", "navy")
