"""The captioner of a model server: what a call contains, and what a check finds out."""

from dataclasses import replace

import pytest

from app.captioning.errors import CaptionRefused, ModelError, ModelUnavailable
from app.captioning.prompt import user_prompt
from app.runtime.deadline import Deadline
from app.types import ModelImage
from testing.servers.aimock_model_server import AimockModelServer
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import completion, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft, draft_request, normalised_image

KEY = "sk-test-0123456789abcdef"


async def test_a_call_has_the_image_and_two_prompts_and_no_other_parameters(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """Temperature 0.2, the token ceiling, and the JPEG byte for byte."""
    model_server.reply("A blue disc on white.")
    found = await draft(make_captioner(model_server.base_url, api_key=KEY), max_tokens=77)
    assert (found.text, found.model, found.cut, found.had_headroom) == (
        "A blue disc on white.", "a-model", False, False,
    )  # fmt: skip
    assert found.input_tokens
    assert found.output_tokens
    [call] = model_server.calls()
    assert call.images == [normalised_image().jpeg]
    assert set(call.body) == {"model", "messages", "max_tokens", "temperature", "stream"}
    assert (call.body["max_tokens"], call.body["temperature"]) == (77, 0.2)
    assert call.body["stream"] is False
    system, user = call.body["messages"]
    assert system["role"] == "system"
    assert "Describe the picture in one sentence." in system["content"]
    [image] = [part for part in user["content"] if part["type"] == "image_url"]
    assert set(image["image_url"]) == {"url"}  # no `detail`: low makes text unreadable


async def test_an_image_of_a_refused_size_is_sent_as_models_take_it(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """The draft has its size."""
    model_server.reply("A blue disc on white.")
    enlarged = ModelImage(normalised_image().jpeg + b"larger", 208, 208)
    image = replace(normalised_image(), enlarged_or_padded=enlarged)
    captioner = make_captioner(model_server.base_url)
    found = await captioner.draft(image, draft_request(), Deadline.after(5))
    [call] = model_server.calls()
    assert call.images == [enlarged.jpeg]
    assert found.sent_px == (208, 208)


async def test_special_characters_in_the_context_arrive_unchanged(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """Quotes, escapes, emoji and data URLs, because the request body is not built by the SDK."""
    context = (
        'A "cup"\\ \t\u2028 \x00 \U0001f375 data:image/jpeg;base64,AAAA \u0000 {"url": 1} %s Tee'
    )
    await draft(make_captioner(model_server.base_url), context=context)
    [call] = model_server.calls()
    assert call.images == [normalised_image().jpeg]
    texts = [part["text"] for part in call.body["messages"][1]["content"] if "text" in part]
    assert texts == [user_prompt(draft_request(context=context))]


async def test_no_temperature_is_sent_if_none_is_configured(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """The model's default applies."""
    await draft(make_captioner(model_server.base_url, temperature=None))
    assert "temperature" not in model_server.calls()[0].body


async def test_a_content_filter_as_finish_reason_is_a_refusal(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """The text before it is not used."""
    model_server.reply("I", finish_reason="content_filter")
    with pytest.raises(CaptionRefused):
        await draft(make_captioner(model_server.base_url))
    assert len(model_server.calls()) == 1


HOUSE = "A red house with a blue door stands on green grass under a yellow sun."


async def test_a_check_captions_a_drawn_image(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """As a request would; what it says is the caption."""
    model_server.reply(f'Caption: "{HOUSE}"')
    result = await make_captioner(model_server.base_url).check()
    assert result == f'a-model at {model_server.base_url}/ captioned a drawn house: "{HOUSE}"'
    [call] = model_server.calls()
    assert len(call.images) == 1
    assert "Never use" in call.text or "no quotes around it" in call.text


async def test_a_check_asks_again_as_a_request_would(make_captioner: CaptionerFactory) -> None:
    """After a draft that breaks the rules, and where reasoning used up the tokens."""
    async with raw_model_server() as model:
        model.complete("https://a.example/house.jpg").complete("", finish_reason="length")
        model.complete(HOUSE)
        assert HOUSE in await make_captioner(model.base_url).check()
        assert len(model.requests) == 3


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't see any image here.",
        "UNCERTAIN",
        "DECORATIVE",
        "https://a.example/house.jpg",
        "Das ist ein rotes Haus mit einer blauen Tür, das auf einer grünen Wiese steht.",
        "",
    ],
)
async def test_a_check_fails_where_no_caption_comes(
    make_captioner: CaptionerFactory, text: str
) -> None:
    """Although the server answers each request."""
    async with raw_model_server() as model:
        model.complete(text)
        with pytest.raises(ModelError) as caught:
            await make_captioner(model.base_url).check()
        assert model.base_url in str(caught.value)


async def test_a_check_fails_where_everything_is_refused(make_captioner: CaptionerFactory) -> None:
    """A harmless drawing of a house."""
    async with raw_model_server() as model:
        model.complete("", finish_reason="content_filter")
        with pytest.raises(ModelError, match="refused a harmless drawing"):
            await make_captioner(model.base_url).check()


async def test_a_check_of_a_model_that_only_reasons_fails(
    make_captioner: CaptionerFactory, aimock: AimockModelServer
) -> None:
    """Nothing would be captioned."""
    aimock.respond_always({"content": " ", "reasoning": "Let me look.", "finishReason": "length"})
    with pytest.raises(ModelError, match="reasoning used up"):
        await make_captioner(aimock.base_url).check()


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_probe_tells_whether_the_model_answers(
    make_captioner: CaptionerFactory, status: int
) -> None:
    """With one call, whatever the failure."""
    async with raw_model_server() as model:
        model.respond(completion("A red house.") if status == 200 else {"error": "?"}, status)
        assert await make_captioner(model.base_url).probe() is (status == 200)
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"error": {"message": "Incorrect API key provided: sk-test-01234***cdef"}},
         "ALTWRIGHT_MODEL_API_KEY"),
        (404, {"error": {"message": "model 'a-model' not found"}}, "ollama pull"),
        (400, {"error": {"message": "this model does not support images"}}, "vision model"),
        (429, {"error": {"message": "You exceeded your current quota",
                         "code": "insufficient_quota"}}, "billing"),
        (503, {"error": "overloaded"}, "failed"),
        (302, "", "redirects"),
    ],
)  # fmt: skip
async def test_a_failed_check_says_what_to_correct(
    make_captioner: CaptionerFactory, status: int, body: str | dict[str, object], expected: str
) -> None:
    """One sentence with the base URL and without the key, after one call."""
    async with raw_model_server() as model:
        model.respond(body, status, location="http://elsewhere.example/")
        model.respond({"data": [{"id": "another"}]})
        with pytest.raises((ModelError, ModelUnavailable)) as caught:
            await make_captioner(model.base_url, api_key=KEY).check()
        message = str(caught.value)
        assert expected in message
        assert model.base_url in message
        assert "sk-test" not in message
        assert "elsewhere" not in message
        if isinstance(caught.value, ModelError):
            assert "does not list this model, but: another" in message


async def test_a_check_of_a_closed_port_is_unavailable(make_captioner: CaptionerFactory) -> None:
    """Nothing listens there."""
    with pytest.raises(ModelUnavailable, match="no usable HTTP response"):
        await make_captioner("http://127.0.0.1:9/v1").check()
