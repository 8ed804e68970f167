"""Fixtures of the picture tests."""

import warnings
from collections.abc import Iterator

import pytest
from PIL import Image

from app.imaging.decoders import libjpeg_turbo, libvips


@pytest.fixture(params=["every decoder", "Pillow alone"])
def pillow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the handler's `warm_up` does in a child, as far as this process may keep it.

    Once with every decoder that is installed, and once with Pillow alone, as on a system for which
    the others have no wheels: results are held to the same.
    """
    if request.param == "Pillow alone":
        monkeypatch.setattr(libvips, "_libvips", None)
        monkeypatch.setattr(libjpeg_turbo, "simplejpeg", None)
    else:
        assert libvips.is_ready()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
