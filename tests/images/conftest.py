"""Fixtures of the picture tests."""

import warnings
from collections.abc import Iterator

import pytest
from PIL import Image


@pytest.fixture
def pillow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the handler's `warm_up` does in a child, as far as this process may keep it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
