"""What each model of a chain is really sent, and what a second start knows of a model."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.raw_model_server import completion, raw_model_server, sent_image

CAPTION = "A round blue disc lies in the middle of a plain white ground."
IMAGE_URL = data_url(jpeg((2000, 1500)))
WRONG_KEY = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}


async def caption(server: Altwright) -> dict[str, Any]:
    """The caption of the image, while the model servers of this loop answer."""
    response = await asyncio.to_thread(server.caption, IMAGE_URL)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def received(request: dict[str, Any]) -> tuple[tuple[int, int], str | None]:
    """Size and `detail` of the picture in a request."""
    [picture] = [part for part in request["messages"][-1]["content"] if "image_url" in part]
    return sent_image(request).size, picture["image_url"].get("detail")


async def test_each_model_of_a_chain_gets_pictures_by_its_own_settings() -> None:
    """The first two refuse their key, so that the third captions the image."""
    async with (
        raw_model_server() as first,
        raw_model_server() as second,
        raw_model_server() as third,
    ):
        first.respond(WRONG_KEY, 401)
        second.respond(WRONG_KEY, 401)
        third.complete(CAPTION)
        fallbacks = [
            {"model": "b", "base_url": second.base_url, "longest_edge_px": 400, "detail": "high"},
            {"model": "c", "base_url": third.base_url},
        ]
        with Altwright(
            MODEL="a", MODEL_BASE_URL=first.base_url, MODEL_LONGEST_EDGE_PX="800",
            MODEL_DETAIL="low", FALLBACKS=json.dumps(fallbacks), IMAGE__LONGEST_EDGE_PX="1000",
        ) as server:  # fmt: skip
            made = await caption(server)
        sent = [received(model.requests[0]) for model in (first, second, third)]
        assert [detail for _, detail in sent] == ["low", "high", None]
        for (size, _), edge_px in zip(sent, (800, 400, 1000), strict=True):
            # An edge is never exceeded, and a JPEG may be scaled down to three quarters of it.
            assert edge_px * 3 / 4 <= size[0] <= edge_px
            assert size[1] == pytest.approx(size[0] * 3 / 4, abs=1)
        assert (made["image"]["sent_width"], made["image"]["sent_height"]) == sent[2][0]


async def test_the_model_that_answers_says_the_size_of_its_own_picture() -> None:
    """Also where a picture is sent a second time, because the first draft broke a rule."""
    async with raw_model_server() as model:
        model.complete("A picture.").complete(CAPTION)
        with Altwright(
            MODEL="a", MODEL_BASE_URL=model.base_url, MODEL_LONGEST_EDGE_PX="640"
        ) as server:
            made = await caption(server)
        [size, second_size] = [received(request)[0] for request in model.requests]
        assert size == second_size == (made["image"]["sent_width"], made["image"]["sent_height"])
        assert 480 <= size[0] <= 640


async def test_a_second_start_asks_a_thinking_model_rightly_at_its_first_call(
    tmp_path: Path,
) -> None:
    """With CAPABILITIES_STORE; without it, it learns again."""
    thinking = completion("", finish_reason="length")
    thinking["usage"] = {
        "prompt_tokens": 900, "completion_tokens": 64,
        "completion_tokens_details": {"reasoning_tokens": 64},
    }  # fmt: skip
    async with raw_model_server() as model:
        settings = {"MODEL": "a", "MODEL_BASE_URL": model.base_url}
        store = {"CAPABILITIES_STORE": str(tmp_path / "capabilities.json")}
        calls = []
        for options in (store, store, {}):
            model.requests.clear()
            model.clear()
            if options != store or not calls:
                model.respond(thinking)
            model.complete(CAPTION)
            with Altwright(**settings, **options) as server:
                await caption(server)
            calls.append([request["max_tokens"] for request in model.requests])
        assert calls == [[64, 64 + 2_048], [64 + 2_048], [64, 64 + 2_048]]
