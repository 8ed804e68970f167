"""Triage of drawn images: describable, decorative or uncertain."""

import pytest

from app.vision.analyse import analyse
from tests.vision import drawn


@pytest.mark.parametrize("name", drawn.DESCRIBABLE)
def test_an_informative_image_is_never_decorative(name: str):
    """A decorative image gets no text on its page."""
    assert analyse(drawn.jpeg(drawn.DESCRIBABLE[name]())).triage == "describable"


@pytest.mark.parametrize("name", drawn.DECORATIVE)
def test_an_image_without_information_is_decorative(name: str):
    """Blank images, gradients, dividers, patterns and noise."""
    assert analyse(drawn.jpeg(drawn.DECORATIVE[name]())).triage == "decorative"


@pytest.mark.parametrize("name", drawn.UNCERTAIN)
def test_a_blurred_or_dark_image_is_uncertain(name: str):
    """A person should look at it."""
    features = analyse(drawn.jpeg(drawn.UNCERTAIN[name]()))
    assert (features.triage, features.triage_reason) == ("uncertain", name)
