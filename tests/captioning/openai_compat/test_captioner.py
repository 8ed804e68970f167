"""What the remote captioner sends, and how long it waits for an answer, over real sockets."""

import asyncio

import pytest

from app.captioning.errors import ModelTimeout
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.prompt import user_text
from app.runtime.deadline import Deadline
from app.types import Draft
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import raw_model_server
from tests.captioning.conftest import Remotes
from tests.captioning.draft_requests import ask, picture

KEY = "sk-test-0123456789abcdef"


async def draft(tried: OpenAICompatCaptioner, seconds: float = 5.0, **changes: object) -> Draft:
    """One draft of the same picture."""
    return await tried.draft(picture(), ask(**changes), Deadline.after(seconds))


async def test_a_picture_goes_out_inline_with_its_two_texts(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """One call: temperature 0.2, the ceiling, the JPEG byte for byte; nothing else."""
    model_server.reply("A blue disc on white.")
    found = await draft(remotes(model_server.base_url, api_key=KEY), max_tokens=77)
    assert (found.text, found.model, found.cut, found.had_headroom) == (
        "A blue disc on white.", "a-model", False, False,
    )  # fmt: skip
    assert found.input_tokens
    assert found.output_tokens
    [call] = model_server.calls()
    assert call.images == [picture().jpeg]
    assert set(call.body) == {"model", "messages", "max_tokens", "temperature"}
    assert (call.body["max_tokens"], call.body["temperature"]) == (77, 0.2)
    system, user = call.body["messages"]
    assert system["role"] == "system"
    assert "Describe the picture in one sentence." in system["content"]
    [image] = [part for part in user["content"] if part["type"] == "image_url"]
    assert set(image["image_url"]) == {"url"}  # no `detail`: low would blur text


async def test_texts_of_every_kind_and_the_picture_go_out_as_they_are(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """The body is put together here: quotes, escapes, emoji and base64 break nothing in it."""
    context = (
        'A "cup"\\ \t\u2028 \x00 \U0001f375 data:image/jpeg;base64,AAAA \u0000 {"url": 1} %s Tee'
    )
    await draft(remotes(model_server.base_url), context=context)
    [call] = model_server.calls()
    assert call.images == [picture().jpeg]
    texts = [part["text"] for part in call.body["messages"][1]["content"] if "text" in part]
    assert texts == [user_text(ask(context=context))]


async def test_no_temperature_is_sent_where_none_is_set(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """The model's own is used."""
    await draft(remotes(model_server.base_url, temperature=None))
    assert "temperature" not in model_server.calls()[0].body


async def test_a_server_that_needs_no_key_gets_none_of_ours(
    remotes: Remotes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment's OpenAI account never goes to another server; a key that is set does."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        await draft(remotes(model.base_url))
        await draft(remotes(model.base_url, api_key=KEY))
        without, with_key = (head.lower() for head in model.request_heads)
    assert "from-the-environment" not in without
    assert "mine" not in without
    assert f"authorization: bearer {KEY}" in with_key
    assert "accept-encoding: identity" in with_key
    assert "stainless" not in with_key, "the SDK's words on our system and versions"


async def test_without_a_base_url_the_sdks_own_variables_count(
    remotes: Remotes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OPENAI_BASE_URL and OPENAI_API_KEY; with neither there is no one to ask."""
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        await draft(remotes(model="m"))
        assert "authorization: bearer sk-from-the-environment" in model.request_heads[0].lower()
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="ALTWRIGHT_MODEL_API_KEY"):
        remotes(model="m")


async def test_connections_are_kept(remotes: Remotes) -> None:
    """Ten captions after each other use one."""
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        tried = remotes(model.base_url)
        for _ in range(10):
            await draft(tried)
        assert (len(model.requests), model.connections) == (10, 1)
        await tried.aclose()


async def test_a_caller_who_leaves_closes_the_call(remotes: Remotes) -> None:
    """The model's server sees the connection go at once."""
    async with raw_model_server() as model:
        model.hang()
        task = asyncio.create_task(draft(remotes(model.base_url)))
        while not model.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(model.client_disconnected.wait(), 1)


@pytest.mark.parametrize("drip", [b"", b" "])
async def test_a_model_that_hangs_or_drips_is_too_slow(remotes: Remotes, drip: bytes) -> None:
    """One call's time is the whole call's, not each byte's; it is not tried again."""
    async with raw_model_server() as model:
        model.hang(drip)
        with pytest.raises(ModelTimeout):
            await draft(remotes(model.base_url, timeout_s=0.3))
        assert len(model.requests) == 1


async def test_a_call_never_outlasts_the_deadline(remotes: Remotes) -> None:
    """Although its own timeout is longer."""
    async with raw_model_server() as model:
        model.hang()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(ModelTimeout):
            await draft(remotes(model.base_url), seconds=0.3)
        assert asyncio.get_running_loop().time() - began_s < 0.6
