"""JPEG files whose end is missing."""

import contextlib

import pytest
from PIL import Image

from app.imaging.decoders import libjpeg_turbo
from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import mean_difference, normalise

pytestmark = pytest.mark.usefixtures("decoders")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(300, 200), (2600, 1300)])
@pytest.mark.slow
def test_a_jpeg_that_lacks_only_its_end_marker_is_decoded(progressive, size):
    """Such files are common; every browser shows them."""
    image = Image.effect_noise(size, 60).convert("RGB")
    data = image_files.encode(image, "jpeg", progressive=progressive)
    whole, _ = normalise(data, "jpeg")
    for marker_lost in (data[:-2], data[:-1], data[:-2] + b"\0" * 50):
        image, _ = normalise(marker_lost, "jpeg")
        assert mean_difference(whole, image) < 0.01


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_jpeg_is_corrupt(options, share):
    """A caption of half a grey image must not be stored."""
    data = image_files.encode(Image.effect_noise((400, 300), 60).convert("RGB"), "jpeg", **options)
    with pytest.raises(JobRefused) as caught:
        normalise(data[: int(len(data) * share)], "jpeg")
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("size", [(160, 80), (1600, 800)])
def test_a_jpeg_truncated_before_its_end_marker_is_corrupt(size):
    """Its lower part would be grey. Pillow alone does not notice."""
    whole = image_files.encode(image_files.draw_quadrants().resize(size), "jpeg", quality=95)
    assert normalise(whole, "jpeg")
    expectation = (
        pytest.raises(JobRefused, match="corrupt")
        if libjpeg_turbo.simplejpeg
        else contextlib.nullcontext()
    )
    with expectation:
        normalise(whole[: len(whole) * 7 // 10] + b"\xff\xd9", "jpeg")


def test_with_restart_markers_a_missing_end_is_accepted_and_a_truncation_is_not():
    """A decoder skips missing parts, and looks for the next restart marker."""
    whole = image_files.encode(image_files.draw_quadrants(), "jpeg", restart_marker_rows=1)
    assert normalise(whole[:-2], "jpeg")
    at = whole.rindex(b"\xff\xd3")
    for cut in (whole[:at], whole[: at + 1], whole[: at + 2]):
        with pytest.raises(JobRefused, match="corrupt"):
            normalise(cut, "jpeg")
