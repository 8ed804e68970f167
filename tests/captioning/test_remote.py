"""What the remote captioner sends, learns and hands on, over real sockets."""

import asyncio
import base64
import logging

import pytest
from pydantic import ValidationError

from app.captioning.captioner import CaptionRefused, ModelError, ModelTimeout, ModelUnavailable
from app.captioning.remote import RemoteCaptioner, RemoteSettings
from app.deadline import Deadline
from app.values import Draft
from tests.captioning.asks import ask, picture
from tests.servers.aimock import Aimock, aimock, aimock_server
from tests.servers.model import ModelServer
from tests.servers.rawmodel import answer, raw_model

__all__ = ["aimock", "aimock_server"]

KEY = "sk-test-0123456789abcdef"


class Naps:
    """Sleeps that are only counted."""

    def __init__(self) -> None:
        self.s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.s.append(seconds)


def captioner(base_url: str, naps: Naps | None = None, **settings: object) -> RemoteCaptioner:
    """One for a server of this test."""
    values = {"model": "a-model", "base_url": base_url, "timeout_s": 2.0, **settings}
    return RemoteCaptioner(RemoteSettings.model_validate(values), sleep=naps or Naps())


async def draft(tried: RemoteCaptioner, seconds: float = 5.0, **changes: object) -> Draft:
    """One draft, and the captioner closed after it."""
    return await tried.draft(picture(), ask(**changes), Deadline.after(seconds))


async def test_a_picture_goes_out_inline_with_its_two_texts(model_server: ModelServer) -> None:
    """One call: temperature 0.2, the ceiling, the JPEG byte for byte; nothing else."""
    model_server.reply("A blue disc on white.")
    found = await draft(captioner(model_server.base_url, api_key=KEY), max_tokens=77)
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


async def test_no_temperature_is_sent_where_none_is_set(model_server: ModelServer) -> None:
    """The model's own is used."""
    await draft(captioner(model_server.base_url, temperature=None))
    assert "temperature" not in model_server.calls()[0].body


async def test_a_server_that_needs_no_key_gets_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment's OpenAI account never goes to another server; a key that is set does."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    async with raw_model() as model:
        model.write("A blue disc.")
        await draft(captioner(model.base_url))
        await draft(captioner(model.base_url, api_key=KEY))
        without, with_key = (head.lower() for head in model.heads)
    assert "from-the-environment" not in without
    assert "mine" not in without
    assert f"authorization: bearer {KEY}" in with_key
    assert "accept-encoding: identity" in with_key


async def test_without_a_base_url_the_sdks_own_variables_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OPENAI_BASE_URL and OPENAI_API_KEY; with neither there is no one to ask."""
    async with raw_model() as model:
        model.write("A blue disc.")
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        await draft(RemoteCaptioner(RemoteSettings(model="m")))
        assert "authorization: bearer sk-from-the-environment" in model.heads[0].lower()
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="ALTWRIGHT_MODEL_API_KEY"):
        RemoteCaptioner(RemoteSettings(model="m"))


async def test_connections_are_kept() -> None:
    """Ten captions after each other use one."""
    async with raw_model() as model:
        model.write("A blue disc.")
        tried = captioner(model.base_url)
        for _ in range(10):
            await draft(tried)
        assert (len(model.requests), model.connections) == (10, 1)
        await tried.aclose()


async def test_a_caller_who_leaves_closes_the_call() -> None:
    """The model's server sees the connection go at once."""
    async with raw_model() as model:
        model.hang()
        task = asyncio.create_task(draft(captioner(model.base_url)))
        while not model.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(model.left.wait(), 1)


@pytest.mark.parametrize("drip", [b"", b" "])
async def test_a_model_that_hangs_or_drips_is_too_slow(drip: bytes) -> None:
    """One call's time is the whole call's, not each byte's; it is not tried again."""
    async with raw_model() as model:
        model.hang(drip)
        with pytest.raises(ModelTimeout):
            await draft(captioner(model.base_url, timeout_s=0.3))
        assert len(model.requests) == 1


async def test_a_call_never_outlasts_the_deadline() -> None:
    """Although its own timeout is longer."""
    async with raw_model() as model:
        model.hang()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(ModelTimeout):
            await draft(captioner(model.base_url), seconds=0.3)
        assert asyncio.get_running_loop().time() - began_s < 0.6


# --- dialects ------------------------------------------------------------------------------------

MAX_TOKENS_IS_OLD = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)
NO_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0.2 with this model. "
    "Only the default (1) value is supported."
)


def refusal(message: str, **members: object) -> dict[str, object]:
    """An error body as OpenAI writes it."""
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, **members}
    }


async def test_a_model_that_wants_other_parameters_is_asked_its_way_from_then_on() -> None:
    """Three lessons in the first caption, none in the second."""
    async with raw_model() as model:
        model.say(refusal(MAX_TOKENS_IS_OLD, param="max_tokens"), 400)
        model.say(refusal(NO_TEMPERATURE, param="temperature"), 400)
        model.say(refusal("System role not supported"), 400)
        model.write("A blue disc.")
        tried = captioner(model.base_url)
        await draft(tried)
        await draft(tried)
        assert len(model.requests) == 5
        for last in model.requests[3:]:
            assert set(last) == {"model", "messages", "max_completion_tokens"}
            [message] = last["messages"]
            assert message["role"] == "user"
            assert "Describe the picture" in message["content"][1]["text"]


@pytest.mark.parametrize(
    ("status", "body", "left_out"),
    [
        (422, {"detail": [{"loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]},
         "temperature"),
        (400, {"error": {"message": "invalid temperature: only 1 is allowed for this model"}},
         "temperature"),
        (400, {"error": {"message": "Unrecognized request argument supplied: max_tokens"}},
         "max_tokens"),
        (400, {"object": "error", "message": "System role not supported", "code": 400}, "system"),
        (500, {"error": {"message": "jinja: System role not supported"}}, "system"),
        (400, {"error": {"message": "prompting with images is incompatible with system messages"}},
         "system"),
        (400, {"error": {"message": "Conversation roles must alternate user/assistant"}}, "system"),
    ],
)  # fmt: skip
async def test_refusals_of_many_servers_are_understood(
    status: int, body: dict[str, object], left_out: str
) -> None:
    """FastAPI's, Moonshot's, Azure's, vLLM's, llama.cpp's and Groq's."""
    async with raw_model() as model:
        model.say(body, status).write("A blue disc.")
        await draft(captioner(model.base_url))
        first, second = model.requests
        if left_out == "system":
            assert [message["role"] for message in second["messages"]] == ["user"]
        else:
            assert left_out in first
            assert left_out not in second


async def test_a_model_that_takes_no_ceiling_at_all_is_held_by_us() -> None:
    """Both names refused: none is sent, and the draft says that it may be longer."""
    async with raw_model() as model:
        model.say(refusal("Unknown parameter: max_tokens"), 400)
        model.say(refusal("Unknown parameter: max_completion_tokens"), 400)
        model.write("A blue disc.")
        found = await draft(captioner(model.base_url))
        assert found.had_headroom
        assert not {"max_tokens", "max_completion_tokens"} & set(model.requests[2])


async def test_a_model_that_refuses_for_ever_is_asked_a_bounded_number_of_times() -> None:
    """Each lesson is learned once; the same words again are an error."""
    async with raw_model() as model:
        model.say(refusal("temperature, max_tokens, max_completion_tokens: not supported"), 400)
        with pytest.raises(ModelError):
            await draft(captioner(model.base_url))
        assert len(model.requests) <= 4


async def test_what_one_call_learns_another_in_flight_does_not_unlearn() -> None:
    """Sixteen first calls at once end with one dialect."""
    async with raw_model() as model:
        for _ in range(16):
            model.say(refusal(MAX_TOKENS_IS_OLD, param="max_tokens"), 400)
        model.write("A blue disc.")
        tried = captioner(model.base_url)
        await asyncio.gather(*(draft(tried) for _ in range(16)))
        await draft(tried)
        assert "max_completion_tokens" in model.requests[-1]
        assert "temperature" in model.requests[-1]


# --- thinking ------------------------------------------------------------------------------------


def thinking(text: str | None, finish: str = "length", tokens: int = 64) -> dict[str, object]:
    """An answer of a model that thought beside it."""
    message = {"role": "assistant", "content": text, "reasoning_content": "The user wants ..."}
    body = answer(None, message=message, finish_reason=finish)
    body["usage"]["completion_tokens"] = tokens
    return body


async def test_an_empty_answer_at_the_ceiling_gets_room_to_think_once_and_for_good() -> None:
    """64, then 1,088; the next caption begins there, and what was spent is told."""
    async with raw_model() as model:
        model.say(thinking(None)).write("A blue disc.").write("A blue disc.")
        tried = captioner(model.base_url)
        found = await draft(tried)
        assert (found.text, found.cut, found.had_headroom) == ("A blue disc.", False, True)
        assert (found.input_tokens, found.output_tokens) == (600, 84)
        assert (await draft(tried)).had_headroom
        assert [request["max_tokens"] for request in model.requests] == [64, 1088, 1088]


@pytest.mark.parametrize(
    "first",
    [
        answer("", finish_reason="length"),
        answer(None, finish_reason="length"),
        answer("<think>The user wants a caption of the disc. First", finish_reason="length"),
        answer("<think>So, a disc and some white around it, nothing else. I write it now. It is"
               " short.</think>A blue", finish_reason="length"),
        answer("Let me think about what I see here, a disc", finish_reason="length"),
        thinking("", finish="stop"),
        {**answer(""), "usage": {"completion_tokens": 64,
                                 "completion_tokens_details": {"reasoning_tokens": 64}}},
    ],
)  # fmt: skip
async def test_every_sign_of_thinking_is_understood(first: dict[str, object]) -> None:
    """Nothing, nothing but thought, or thought that left no room for the end."""
    async with raw_model() as model:
        model.say(first).write("A blue disc.")
        assert (await draft(captioner(model.base_url))).text == "A blue disc."
        assert len(model.requests) == 2


async def test_a_good_answer_with_thought_teaches_for_the_next_time_only() -> None:
    """It is not asked again."""
    async with raw_model() as model:
        model.say(thinking("A blue disc.", finish="stop"))
        tried = captioner(model.base_url)
        assert not (await draft(tried)).had_headroom
        assert (await draft(tried)).had_headroom
        assert [request["max_tokens"] for request in model.requests] == [64, 1088]


async def test_a_model_that_never_stops_thinking_is_an_error_and_bounded() -> None:
    """Two calls an ask; the room grows to 4,096 and no further."""
    async with raw_model() as model:
        model.say(thinking(None))
        tried = captioner(model.base_url)
        for _ in range(4):
            with pytest.raises(ModelError) as caught:
                await draft(tried)
            assert "thinking" in caught.value.log_reason
        asked = [request["max_tokens"] - 64 for request in model.requests]
        assert asked == [0, 1024, 2048, 4096, 4096, 4096]


async def test_a_server_whose_window_is_small_gets_less_room() -> None:
    """A limit on max_tokens halves the room instead of ending the caption."""
    too_many = "max_tokens is too large: 1088. This model supports at most 600 completion tokens."
    async with raw_model() as model:
        model.say(thinking(None)).say(refusal(too_many), 400).write("A blue disc.")
        assert (await draft(captioner(model.base_url))).text == "A blue disc."
        assert [request["max_tokens"] for request in model.requests] == [64, 1088, 576]


async def test_an_answer_cut_at_the_ceiling_without_thought_is_a_cut_draft() -> None:
    """It is handed on, for the validator to end it well."""
    async with raw_model() as model:
        model.write("A blue disc on a white", finish_reason="length")
        found = await draft(captioner(model.base_url))
        assert (found.text, found.cut, found.had_headroom) == (
            "A blue disc on a white",
            True,
            False,
        )
        assert len(model.requests) == 1


async def test_a_thinking_model_of_another_make_is_understood(aimock: Aimock) -> None:
    """aimock plays a reasoning model: first silence at the ceiling, then the caption."""
    aimock.say({"content": "", "reasoning": "Let me look.", "finishReason": "length"})
    aimock.always({"content": "A blue disc on white."})
    found = await draft(captioner(aimock.base_url))
    assert (found.text, found.had_headroom) == ("A blue disc on white.", True)
    assert [call["max_tokens"] for call in aimock.calls()] == [64, 1088]


# --- pictures that are too large -----------------------------------------------------------------

TOO_LARGE = "The prompt contains an image item with length 4200, which exceeds the encoder cache"


async def test_a_model_that_finds_the_picture_too_large_gets_it_smaller_once() -> None:
    """Through the callback; a second refusal is an error."""
    shrunk: list[bytes] = []

    async def shrink(jpeg: bytes) -> bytes:
        shrunk.append(jpeg)
        return b"smaller"

    async with raw_model() as model:
        model.say(refusal(TOO_LARGE), 400).write("A blue disc.").say(refusal(TOO_LARGE), 400)
        settings = RemoteSettings(model="m", base_url=model.base_url)
        tried = RemoteCaptioner(settings, shrink=shrink)
        await draft(tried)
        url = model.requests[1]["messages"][1]["content"][0]["image_url"]["url"]
        assert base64.b64decode(url.partition(",")[2]) == b"smaller"
        with pytest.raises(ModelError):
            await draft(tried)
        assert (len(model.requests), shrunk) == (4, [picture().jpeg, picture().jpeg])


async def test_without_a_way_to_shrink_it_is_an_error_after_one_call() -> None:
    """Nothing else would help."""
    async with raw_model() as model:
        model.say(refusal(TOO_LARGE), 400)
        with pytest.raises(ModelError):
            await draft(captioner(model.base_url))
        assert len(model.requests) == 1


# --- settings, check, logs -----------------------------------------------------------------------


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
        RemoteSettings.model_validate(values)
    assert "sk-a" not in str(caught.value)


def test_what_an_env_file_leaves_empty_is_unset() -> None:
    """`MODEL_API_KEY=` means none."""
    settings = RemoteSettings.model_validate({"model": "m", "base_url": "", "api_key": " "})
    assert (settings.base_url, settings.api_key) == (None, None)
    assert KEY not in repr(RemoteSettings.model_validate({"model": "m", "api_key": KEY}))


async def test_a_check_shows_the_model_a_picture(model_server: ModelServer) -> None:
    """One call that proves key, name and sight."""
    seen = await captioner(model_server.base_url).check()
    assert seen == f"a-model at {model_server.base_url}/ answers and takes pictures"
    assert len(model_server.calls()[0].images) == 1


async def test_a_check_of_a_reasoning_model_passes(aimock: Aimock) -> None:
    """Silence at a check's small ceiling is no fault."""
    aimock.always({"content": "", "reasoning": "Let me look.", "finishReason": "length"})
    assert "answers and takes pictures" in await captioner(aimock.base_url).check()


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
async def test_a_check_that_fails_says_what_to_mend(status: int, body: object, words: str) -> None:
    """One sentence with the endpoint, without the key; tried once."""
    async with raw_model() as model:
        model.say(body or "", status, location="http://elsewhere.example/")  # type: ignore[arg-type]
        model.say({"data": [{"id": "another"}]})
        with pytest.raises((ModelError, ModelUnavailable)) as caught:
            await captioner(model.base_url, api_key=KEY).check()
        said = str(caught.value)
        assert words in said
        assert model.base_url in said
        assert "sk-test" not in said
        assert "elsewhere" not in said
        if isinstance(caught.value, ModelError):
            assert "does not list this model, but: another" in said


async def test_a_check_where_nobody_listens_says_so() -> None:
    """A closed port."""
    with pytest.raises(ModelUnavailable, match="no answer over the wire"):
        await captioner("http://127.0.0.1:9/v1").check()


async def test_nothing_that_a_caller_sent_and_no_key_is_logged_or_raised(
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
            async with raw_model() as model:
                model.say(echo, status)  # type: ignore[arg-type]
                tried = captioner(model.base_url, api_key=KEY)
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


async def test_a_refusal_by_name_is_a_refusal(model_server: ModelServer) -> None:
    """llmock ends with `content_filter`; what was written till then is not used."""
    model_server.reply("I", finish_reason="content_filter")
    with pytest.raises(CaptionRefused):
        await draft(captioner(model_server.base_url))
    assert len(model_server.calls()) == 1
