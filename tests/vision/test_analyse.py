"""The analysis as a whole: equal pixels, odd sizes, invalid data, the job of the child."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from app.vision.analyse import analyse, analyse_job, warm_up
from app.vision.features import Features
from tests.vision import drawn


def test_a_scene_without_colour_is_greyscale_and_one_with_colour_is_not():
    """JPEG's rounding of chroma does not count."""
    assert analyse(drawn.jpeg(drawn.noisy_scene().convert("L"))).is_greyscale
    assert not analyse(drawn.jpeg(drawn.noisy_scene())).is_greyscale


def test_a_white_thing_before_a_cream_wall_is_no_black_and_white_scene():
    """So pale a colour is within the chroma of JPEG's rounding, and has a name all the same."""
    scene = np.asarray(drawn.noisy_scene().convert("L").point(lambda v: 225 + v // 10))
    tint = np.stack([scene, scene, np.clip(scene.astype(int) - 10, 0, 255)], axis=2)
    features = analyse(drawn.jpeg(Image.fromarray(tint.astype(np.uint8))))
    assert "off-white" in {share.colour for share in features.colours}
    assert not features.is_greyscale


def test_equal_pixels_have_equal_features_which_survive_json():
    """The child process sends them as JSON."""
    data = drawn.jpeg(drawn.chart())
    assert (
        analyse(data)
        == analyse(data)
        == Features.from_json(json.loads(json.dumps(analyse(data).to_json())))
    )


def test_the_job_reserves_memory_and_returns_the_features():
    """In the form that the worker pool expects of a handler."""
    reserved: list[int] = []
    facts, result = analyse_job(io.BytesIO(drawn.jpeg(drawn.ball("red"))), {}, reserved.append)
    assert (facts["category"], result, len(reserved)) == ("cutout", b"", 1)
    warm_up()


def test_data_that_is_no_image_is_an_error():
    """OSError, as Pillow raises it."""
    with pytest.raises(OSError, match="cannot identify"):
        analyse(b"not a picture")


def test_a_truncated_jpeg_is_an_error():
    """Only normalised images arrive here; still the child process must not crash."""
    whole = io.BytesIO()
    Image.effect_noise((400, 300), 60).save(whole, "JPEG")
    with pytest.raises(OSError, match="truncated"):
        analyse(whole.getvalue()[:2000])


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (5, 5), (7, 300), (33, 31), (1200, 3)])
@pytest.mark.parametrize("draw", [drawn.noise, drawn.noisy_scene, drawn.chart, drawn.ball])
def test_no_size_is_too_small_to_analyse(size: tuple[int, int], draw):
    """Every image gets a triage."""
    image = draw("#d82828") if draw is drawn.ball else draw()
    features = analyse(drawn.jpeg(image.resize(size)))
    assert features.triage in {"describable", "decorative", "uncertain"}
