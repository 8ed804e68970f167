"""HTTP calls to a model server: credentials, connections, and limits on responses."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable

import pytest

from app.captioning.errors import ModelError
from testing.servers.raw_model_server import completion, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

KEY = "sk-test-0123456789abcdef"


async def test_openai_credentials_of_the_environment_are_not_sent_to_another_server(
    make_captioner: CaptionerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are the SDK's headers about this machine. A configured key is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        await draft(make_captioner(model.base_url))
        await draft(make_captioner(model.base_url, api_key=KEY))
        without, with_key = (head.lower() for head in model.request_heads)
    assert "from-the-environment" not in without
    assert "mine" not in without
    assert f"authorization: bearer {KEY}" in with_key
    assert "accept-encoding: identity" in with_key
    assert "stainless" not in with_key


async def test_without_a_base_url_the_openai_variables_apply(
    make_captioner: CaptionerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENAI_BASE_URL and OPENAI_API_KEY; without both there is no server to call."""
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        await draft(make_captioner(model="m"))
        assert "authorization: bearer sk-from-the-environment" in model.request_heads[0].lower()
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="ALTWRIGHT_MODEL_API_KEY"):
        make_captioner(model="m")


async def test_connections_are_reused(make_captioner: CaptionerFactory) -> None:
    """Ten drafts in a row use one."""
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        captioner = make_captioner(model.base_url)
        for _ in range(10):
            await draft(captioner)
        assert (len(model.requests), model.connections) == (10, 1)
        await captioner.aclose()


async def test_cancelling_a_draft_closes_its_connection(make_captioner: CaptionerFactory) -> None:
    """So that the model server stops its work for it."""
    async with raw_model_server() as model:
        model.hang()
        task = asyncio.create_task(draft(make_captioner(model.base_url)))
        await model.request_received.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(model.client_disconnected.wait(), 10)


async def test_a_response_body_is_read_up_to_a_limit(make_captioner: CaptionerFactory) -> None:
    """The server sends 64 MiB."""
    async with raw_model_server() as model:
        model.stream_64_mib()
        with pytest.raises(ModelError) as caught:
            await draft(make_captioner(model.base_url))
        assert "larger than" in caught.value.log_reason


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)], ids=["gzip", "zlib"]
)
async def test_a_response_that_is_compressed_although_not_asked_for_is_unpacked(
    make_captioner: CaptionerFactory, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Some proxies compress whatever they pass on."""
    packed = pack(json.dumps(completion("A blue disc.")).encode())
    async with raw_model_server() as model:
        model.respond(packed, content_encoding=coding)
        assert (await draft(make_captioner(model.base_url))).text == "A blue disc."


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        pytest.param("gzip", gzip.compress(bytes(20_000_000)), "larger than 2 MiB", id="bomb"),
        pytest.param("gzip", gzip.compress(b"{}" * 90)[:-9], "breaks off", id="cut"),
        pytest.param("gzip", b"{}", "the coding that it names", id="not gzip"),
        pytest.param("br", b"{}", "compressed", id="another coding"),
        pytest.param("gzip, gzip", b"\x1f\x8b", "compressed", id="twice"),
    ],
)
async def test_other_compressed_responses_are_refused(
    make_captioner: CaptionerFactory, coding: str, body: bytes, reason: str
) -> None:
    async with raw_model_server() as model:
        model.respond(body, content_encoding=coding)
        with pytest.raises(ModelError) as caught:
            await draft(make_captioner(model.base_url))
        assert reason in caught.value.log_reason
