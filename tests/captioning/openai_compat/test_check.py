"""A remote captioner's settings, its check, and what it never says."""

import base64
import logging

import pytest
from pydantic import ValidationError

from app.captioning.errors import CaptionRefused, ModelError, ModelUnavailable
from app.captioning.openai_compat.captioner import ModelSettings, OpenAICompatCaptioner
from app.runtime.deadline import Deadline
from app.types import Draft
from testing.servers.aimock_model_server import AimockModelServer
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import raw_model_server
from tests.captioning.conftest import Remotes
from tests.captioning.draft_requests import ask, picture

KEY = "sk-test-0123456789abcdef"


async def draft(tried: OpenAICompatCaptioner, seconds: float = 5.0, **changes: object) -> Draft:
    """One draft of the same picture."""
    return await tried.draft(picture(), ask(**changes), Deadline.after(seconds))


def refusal(message: str, **members: object) -> dict[str, object]:
    """An error body as OpenAI writes it."""
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, **members}
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"modle": "x"}, "unknown field 'modle': a model has model, base_url, api_key"),
        ({"model": "m", "base_url": "localhost:11434"}, "scheme"),
        ({"model": "m", "base_url": "http://h/v1/chat/completions"}, "leave /chat/completions"),
        ({"model": "m", "api_key": "sk-a b"}, "printable ASCII"),
        ({"model": "m", "timeout_s": 0}, "greater than 0"),
        ({"model": ""}, "at least 1"),
        ({"base_url": "http://h/v1"}, "required"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_mend(values: dict[str, object], words: str) -> None:
    """And without the key."""
    with pytest.raises(ValidationError, match=words) as caught:
        ModelSettings.model_validate(values)
    assert "sk-a" not in str(caught.value)


def test_what_an_env_file_leaves_empty_is_unset() -> None:
    """`MODEL_API_KEY=` means none."""
    settings = ModelSettings.model_validate({"model": "m", "base_url": "", "api_key": " "})
    assert (settings.base_url, settings.api_key) == (None, None)
    assert KEY not in repr(ModelSettings.model_validate({"model": "m", "api_key": KEY}))


async def test_a_check_shows_the_model_a_picture(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """One call that proves key, name and sight."""
    seen = await remotes(model_server.base_url).check()
    assert seen == f"a-model at {model_server.base_url}/ answers a question with a picture"
    assert len(model_server.calls()[0].images) == 1


async def test_a_check_of_a_reasoning_model_passes(
    remotes: Remotes, aimock: AimockModelServer
) -> None:
    """Silence at a check's small ceiling is no fault."""
    aimock.respond_always({"content": " ", "reasoning": "Let me look.", "finishReason": "length"})
    assert "answers a question with a picture" in await remotes(aimock.base_url).check()


CHECKS = [
    (401, {"error": {"message": "Incorrect API key provided: sk-test-01234***cdef"}},
     "ALTWRIGHT_MODEL_API_KEY"),
    (404, {"error": {"message": "model 'a-model' not found"}}, "ollama pull"),
    (400, {"error": {"message": "this model does not support images"}}, "that can see"),
    (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
     "billing"),
    (503, {"error": "overloaded"}, "failed"),
    (302, "", "redirects"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "words"), CHECKS)
async def test_a_check_that_fails_says_what_to_mend(
    remotes: Remotes, status: int, body: object, words: str
) -> None:
    """One sentence with the endpoint, without the key; tried once."""
    async with raw_model_server() as model:
        model.respond(body or "", status, location="http://elsewhere.example/")  # type: ignore[arg-type]
        model.respond({"data": [{"id": "another"}]})
        with pytest.raises((ModelError, ModelUnavailable)) as caught:
            await remotes(model.base_url, api_key=KEY).check()
        said = str(caught.value)
        assert words in said
        assert model.base_url in said
        assert "sk-test" not in said
        assert "elsewhere" not in said
        if isinstance(caught.value, ModelError):
            assert "does not list this model, but: another" in said


async def test_a_check_where_nobody_listens_says_so(remotes: Remotes) -> None:
    """A closed port."""
    with pytest.raises(ModelUnavailable, match="no answer over the wire"):
        await remotes("http://127.0.0.1:9/v1").check()


async def test_nothing_that_a_caller_sent_and_no_key_is_logged_or_raised(
    remotes: Remotes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that repeats all it was sent: llama.cpp prints the messages, FastAPI the input."""
    context = "The wedding of Annelise Overbeck and Torvald Quist, only for the family."
    caplog.set_level(logging.DEBUG)
    encoded = base64.b64encode(picture().jpeg).decode()
    echoes: list[object] = [
        refusal(f"bad key {KEY} for data:image/jpeg;base64,{encoded}"),
        refusal(f"Failed to parse; messages = [{{'content': '{context}'}}]"),
        refusal(f"I do not like: {context[10:60]}"),
        {"detail": [{"loc": ["body"], "msg": "wrong", "input": {"text": context, "k": KEY}}]},
        f"<html><body>{context} {KEY} {encoded}</body></html>",
    ]
    for status in (400, 401, 429, 500):
        for echo in echoes:
            async with raw_model_server() as model:
                model.respond(echo, status)  # type: ignore[arg-type]
                tried = remotes(model.base_url, api_key=KEY)
                with pytest.raises((ModelError, ModelUnavailable)) as caught:
                    await draft(tried, context=context)
                said = f"{caught.value} {caught.value.detail} {caught.value.log_reason}"
                assert caught.value.__cause__ is None
                for secret in (KEY, "Annelise", "Torvald", "Overbeck", encoded[:60]):
                    assert secret not in said
    logged = " ".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records if "app." in r.name)
    assert "waiting for a model" in logged
    for secret in (KEY, "Annelise", "Torvald", encoded[:60]):
        assert secret not in logged


async def test_a_refusal_by_name_is_a_refusal(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """llmock ends with `content_filter`; what was written till then is not used."""
    model_server.reply("I", finish_reason="content_filter")
    with pytest.raises(CaptionRefused):
        await draft(remotes(model_server.base_url))
    assert len(model_server.calls()) == 1
