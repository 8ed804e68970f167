"""Images that a model server refuses for their size are captioned by the real server."""

import asyncio
import io

import pytest
from PIL import Image, ImageDraw

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.raw_model_server import (
    RawModelServer,
    openai_error,
    raw_model_server,
    sent_image,
)

CAPTION = "A red disc in the middle of a plain white ground."
MIN_SIDE_PX, MAX_ASPECT_RATIO = 32, 200


def drawn(size: tuple[int, int]) -> bytes:
    """A PNG with a red disc."""
    image = Image.new("RGB", size, "white")
    width, height = size
    radius = max(1, min(size) // 3)
    box = (width // 2 - radius, height // 2 - radius, width // 2 + radius, height // 2 + radius)
    ImageDraw.Draw(image).ellipse(box, fill=(200, 30, 40))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


async def caption(server: Altwright, data: bytes) -> dict[str, object]:
    """The caption's body; the response is 200."""
    response = await asyncio.to_thread(server.caption, data_url(data, "image/png"))
    assert response.status_code == 200, response.text
    body: dict[str, object] = response.json()
    return body


async def assert_sent(server: Altwright, model: RawModelServer, data: bytes) -> bool:
    """Caption an image; whether the caption has the warning. What is reported is what was sent."""
    calls = len(model.requests)
    body = await caption(server, data)
    [request] = model.requests[calls:]
    facts = body["image"]
    assert isinstance(facts, dict)
    assert sent_image(request).size == (facts["sent_width"], facts["sent_height"])
    assert Image.open(io.BytesIO(data)).size == (facts["width"], facts["height"])
    assert isinstance(body["warnings"], list)
    return "small_source" in body["warnings"]


@pytest.mark.slow
async def test_images_of_every_size_are_captioned_by_a_model_that_refuses_some() -> None:
    """Each with one call, so the circuit breaker stays closed; the small ones with a warning."""
    async with raw_model_server() as model:
        model.refuse_sizes(CAPTION, min_side_px=MIN_SIDE_PX, max_aspect_ratio=MAX_ASPECT_RATIO)
        with Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none") as server:
            for size in ((16, 16), (1, 1), (332, 27), (3000, 10), (10, 3000), (1080, 9000)):
                assert await assert_sent(server, model, drawn(size)), size
            for size in ((32, 32), (640, 480), (468, 60), (3000, 1000)):
                assert not await assert_sent(server, model, drawn(size)), size
            assert not await assert_sent(server, model, jpeg())


async def test_a_banner_that_is_sent_smaller_is_padded_again() -> None:
    """At 600 px, half its size, the banner is 30 px high with its padding."""
    async with raw_model_server() as model:
        model.respond(openai_error("Image size is too large"), 400)
        model.refuse_sizes(CAPTION, min_side_px=MIN_SIDE_PX, max_aspect_ratio=MAX_ASPECT_RATIO)
        with Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none") as server:
            await caption(server, drawn((1200, 36)))
        assert [sent_image(one).size for one in model.requests] == [(1200, 60), (600, 32)]


@pytest.mark.slow
async def test_the_embedded_captioner_sees_small_images_without_padding() -> None:
    """It says the same of a strip as before, and reports the size that it saw."""
    with Altwright() as server:
        body = await caption(server, drawn((332, 27)))
        facts = body["image"]
        assert isinstance(facts, dict)
        assert (facts["sent_width"], facts["sent_height"]) == (332, 27)
