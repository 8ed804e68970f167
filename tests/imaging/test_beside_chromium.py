"""Every format and kind of colour looks to a model as it looks in Chromium."""

import pytest

from testing.colour_comparison import BOUND_LEVELS, compare_charts
from testing.colour_pictures import make_colour_pictures
from testing.servers.browser import Browser

pytestmark = pytest.mark.usefixtures("decoders")


@pytest.mark.parametrize(
    "image_format",
    [
        "png",
        "avif",
        "bmp",
        *(
            pytest.param(image_format, marks=pytest.mark.slow)
            for image_format in ("jpeg", "gif", "webp", "tiff", "heic")
        ),
    ],
)
def test_colours_are_those_that_chromium_shows(browser: Browser, image_format: str) -> None:
    """The largest difference of a flat patch, in levels of 255."""
    pictures = make_colour_pictures([image_format])
    found = list(compare_charts(browser.page(), pictures))
    assert [one for one in found if (one.largest or 0) > BOUND_LEVELS] == []
    assert len([one for one in found if one.largest is not None]) >= len(pictures) - 2
