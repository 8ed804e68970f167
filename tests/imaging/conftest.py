"""Fixtures of the imaging tests."""

import warnings
from collections.abc import Iterator

import pytest
from PIL import Image

from app.imaging.decoders import decode, libjpeg_turbo, libvips_binding


@pytest.fixture(params=["every decoder", "Pillow alone"])
def decoders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Prepares the decoders, as far as the handler's `warm_up` may do it in this process.

    A test that uses this runs twice: with every decoder that is installed, and with Pillow alone,
    as on a system without wheels of the others. The results must be the same.
    """
    if request.param == "Pillow alone":
        monkeypatch.setattr(libvips_binding, "_libvips", None)
        monkeypatch.setattr(libjpeg_turbo, "simplejpeg", None)
    else:
        assert libvips_binding.is_installed()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    decode.warm_up()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
