"""Real image files on their way to a model, as the model server receives them."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmock.testing import LLMockServer
from PIL import Image

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin
from testing.servers.redis import RedisServer

VALID_CAPTION = "Two tabby cats sleep side by side on a bright red sofa."


@pytest.fixture(scope="module")
def server(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """A server with a model."""
    with Altwright(
        MODEL="m", MODEL_BASE_URL=llmock_server.base_url("openai"), MODEL_API_KEY="k"
    ) as server:
        yield server


def test_a_real_file_reaches_the_model_small_upright_and_without_metadata(
    server: Altwright, model_server: LlmockModelServer, origin: Origin, corpora: Path
) -> None:
    paths = [
        path
        for folder in ("formats", "orientation")
        for path in sorted((corpora / "images" / folder).iterdir())
        if path.suffix not in (".svg", ".heic")
    ]
    for path in paths:
        model_server.reset()
        model_server.reply(VALID_CAPTION)
        body = server.caption(origin.serve("/file", path.read_bytes())).json()
        assert body.get("caption") == VALID_CAPTION, (path.name, body)
        (call,) = model_server.calls()
        (sent,) = call.images
        facts = body["image"]
        with Image.open(io.BytesIO(sent)) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB"), path.name
            assert max(image.size) <= 1200, path.name
            assert image.size == (facts["sent_width"], facts["sent_height"]), path.name
            assert not image.getexif(), path.name
            assert "icc_profile" not in image.info, path.name
        if size := re.fullmatch(r"(\d+)x(\d+)", path.stem):
            assert (facts["width"], facts["height"]) == (int(size[1]), int(size[2]))
        if path.parent.name == "orientation":
            is_landscape = path.name.startswith("Landscape")
            assert (facts["width"] > facts["height"]) == is_landscape, path.name
            assert (facts["sent_width"] > facts["sent_height"]) == is_landscape, path.name


def test_several_styles_and_locales_send_one_image_in_a_call_each(
    server: Altwright, model_server: LlmockModelServer, origin: Origin
) -> None:
    model_server.reply(VALID_CAPTION, times=None)
    url = origin.serve("/a.jpg", jpeg())
    response = server.captions(url, styles=["concise", "seo"], locales=["en", "en-GB"])
    results = response.json()["results"]
    order = [(result["style"], result["locale"]) for result in results]
    assert order == [("concise", "en"), ("concise", "en-GB"), ("seo", "en"), ("seo", "en-GB")]
    calls = model_server.calls()
    assert len({call.images[0] for call in calls}) == 1
    assert len(origin.requests) == 1


def test_the_prompt_contains_the_callers_context_and_not_the_image_url(
    server: Altwright, model_server: LlmockModelServer, origin: Origin
) -> None:
    model_server.reply("Blue disc in the Kestrel 350 ml range, on a plain white ground.")
    url = origin.serve("/secret-place.jpg", jpeg())
    server.caption(url, style="seo", context="Kestrel 350 ml", keywords=["blue disc"], locale="en")
    (call,) = model_server.calls()
    assert "Kestrel 350 ml" in call.text
    assert "blue disc" in call.text
    assert "DECORATIVE" in call.text
    assert "UNCERTAIN" in call.text
    assert "secret-place" not in call.text
    assert call.body["temperature"] == 0.2


@pytest.mark.slow
def test_equal_requests_share_one_caption_of_the_cache(
    model_server: LlmockModelServer, redis_server: RedisServer, origin: Origin
) -> None:
    model_server.reply(VALID_CAPTION, times=None)
    with Altwright(
        MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k",
        CACHE_URL=redis_server.url,
    ) as server:  # fmt: skip
        url = origin.serve("/a.jpg", jpeg())
        responses = [server.caption(url, metadata={"n": str(n)}) for n in range(3)]
        assert [response.headers["x-cache"] for response in responses] == ["miss", "hit", "hit"]
        assert [response.json()["metadata"] for response in responses] == [
            {"n": "0"},
            {"n": "1"},
            {"n": "2"},
        ]
        assert responses[1].json()["usage"] == {"input_tokens": 0, "output_tokens": 0}
        assert len(model_server.calls()) == 1
        several = server.captions(url, styles=["concise", "seo"])
        assert several.headers["x-cache"] == "miss"
        redis_server.stop()
        assert server.caption(data_url(jpeg())).status_code == 200


def test_the_precheck_recognises_a_blank_image_without_calling_the_model(
    model_server: LlmockModelServer,
) -> None:
    model_server.reply(VALID_CAPTION, times=None)
    blank = io.BytesIO()
    Image.new("RGB", (400, 300), "white").save(blank, "PNG")
    with Altwright(
        MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k", PRECHECK="true"
    ) as server:
        body = server.caption(data_url(blank.getvalue(), "image/png")).json()
        assert (body["decorative"], body["model"]) == (True, "embedded")
        assert model_server.calls() == []
        assert server.caption(data_url(jpeg())).json()["caption"] == VALID_CAPTION


@pytest.mark.slow
def test_the_next_captioner_is_used_where_the_first_one_is_down(
    model_server: LlmockModelServer,
) -> None:
    model_server.fail(500, times=None)
    with Altwright(
        MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k", EMBEDDED_FALLBACK="true"
    ) as server:
        body = server.caption(data_url(jpeg())).json()
        assert body["model"] == "embedded"
        assert "blue" in body["caption"].lower()
