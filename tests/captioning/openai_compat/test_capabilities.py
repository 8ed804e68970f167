"""What a captioner learns about its model from error responses and from reasoning."""

import asyncio
import json

import pytest

from app.captioning.errors import ModelError
from app.captioning.providers.registry import load_providers
from testing.servers.aimock_model_server import AimockModelServer
from testing.servers.raw_model_server import completion, openai_error, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

MAX_TOKENS_RENAMED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)
NO_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0.2 with this model. "
    "Only the default (1) value is supported."
)


async def test_refused_parameters_are_replaced_and_not_sent_again(
    make_captioner: CaptionerFactory,
) -> None:
    """Three refusals in the first draft, none in the second."""
    async with raw_model_server() as model:
        model.respond(openai_error(MAX_TOKENS_RENAMED, param="max_tokens"), 400)
        model.respond(openai_error(NO_TEMPERATURE, param="temperature"), 400)
        model.respond(openai_error("System role not supported"), 400)
        model.complete("A blue disc.")
        captioner = make_captioner(model.base_url)
        await draft(captioner)
        await draft(captioner)
        assert len(model.requests) == 5
        for request in model.requests[3:]:
            assert set(request) == {"model", "messages", "max_completion_tokens", "stream"}
            [message] = request["messages"]
            assert message["role"] == "user"
            assert "Describe the picture" in message["content"][1]["text"]


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (422, {"detail": [{"loc": ["body", "temperature"], "msg": "Extra inputs not permitted"}]},
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
async def test_a_refused_parameter_is_recognised_in_errors_of_many_servers(
    make_captioner: CaptionerFactory, status: int, body: dict[str, object], refused: str
) -> None:
    """FastAPI, Moonshot, Azure, vLLM, llama.cpp and Groq."""
    async with raw_model_server() as model:
        model.respond(body, status).complete("A blue disc.")
        await draft(make_captioner(model.base_url))
        first, second = model.requests
        if refused == "system":
            assert [message["role"] for message in second["messages"]] == ["user"]
        else:
            assert refused in first
            assert refused not in second


async def test_a_model_that_refuses_every_token_limit_gets_none(
    make_captioner: CaptionerFactory,
) -> None:
    """The draft then says that it may exceed the caption's ceiling."""
    async with raw_model_server() as model:
        model.respond(openai_error("Unknown parameter: max_tokens"), 400)
        model.respond(openai_error("Unknown parameter: max_completion_tokens"), 400)
        model.complete("A blue disc.")
        found = await draft(make_captioner(model.base_url))
        assert found.had_headroom
        assert not {"max_tokens", "max_completion_tokens"} & set(model.requests[2])


async def test_a_model_that_refuses_all_parameters_is_called_a_bounded_number_of_times(
    make_captioner: CaptionerFactory,
) -> None:
    """Each parameter can be refused once; the same error again is final."""
    async with raw_model_server() as model:
        message = "temperature, max_tokens, max_completion_tokens: not supported"
        model.respond(openai_error(message), 400)
        with pytest.raises(ModelError):
            await draft(make_captioner(model.base_url))
        assert len(model.requests) <= 4


async def test_concurrent_drafts_merge_what_they_learn(make_captioner: CaptionerFactory) -> None:
    """Sixteen first drafts at once."""
    async with raw_model_server() as model:
        error = openai_error(MAX_TOKENS_RENAMED, param="max_tokens")
        model.refuse_parameter("max_tokens", error, "A blue disc.")
        captioner = make_captioner(model.base_url)
        await asyncio.gather(*(draft(captioner) for _ in range(16)))
        await draft(captioner)
        assert "max_completion_tokens" in model.requests[-1]
        assert "temperature" in model.requests[-1]


def with_reasoning(
    text: str | None, finish_reason: str = "length", tokens: int = 64
) -> dict[str, object]:
    """A completion that has reasoning beside its text."""
    message = {"role": "assistant", "content": text, "reasoning_content": "The user wants ..."}
    body = completion(None, message=message, finish_reason=finish_reason)
    body["usage"]["completion_tokens"] = tokens
    return body


async def test_an_empty_response_at_the_token_limit_is_repeated_with_headroom(
    make_captioner: CaptionerFactory,
) -> None:
    """64, then 2,112 tokens; the next draft begins with those. Usage is the sum of all calls."""
    async with raw_model_server() as model:
        model.respond(with_reasoning(None)).complete("A blue disc.").complete("A blue disc.")
        captioner = make_captioner(model.base_url)
        found = await draft(captioner)
        assert (found.text, found.cut, found.had_headroom) == ("A blue disc.", False, True)
        assert (found.input_tokens, found.output_tokens) == (600, 84)
        assert (await draft(captioner)).had_headroom
        assert [request["max_tokens"] for request in model.requests] == [64, 2112, 2112]


@pytest.mark.parametrize(
    "first",
    [
        completion("", finish_reason="length"),
        completion(None, finish_reason="length"),
        completion("<think>The user wants a caption of the disc. First", finish_reason="length"),
        completion("<think>So, a disc and some white around it, nothing else. I write it now. It is"
                   " short.</think>A blue", finish_reason="length"),
        completion("Let me think about what I see here, a disc", finish_reason="length"),
        with_reasoning("", finish_reason="stop"),
        {**completion(""), "usage": {"completion_tokens": 64,
                                     "completion_tokens_details": {"reasoning_tokens": 64}}},
    ],
)  # fmt: skip
async def test_a_response_that_reasoning_left_incomplete_is_repeated(
    make_captioner: CaptionerFactory, first: dict[str, object]
) -> None:
    """Without text, with reasoning only, or with a text that the token limit cut off."""
    async with raw_model_server() as model:
        model.respond(first).complete("A blue disc.")
        assert (await draft(make_captioner(model.base_url))).text == "A blue disc."
        assert len(model.requests) == 2


async def test_a_complete_response_with_reasoning_gives_headroom_to_the_next_draft(
    make_captioner: CaptionerFactory,
) -> None:
    """The call itself is not repeated."""
    async with raw_model_server() as model:
        model.respond(with_reasoning("A blue disc.", finish_reason="stop"))
        captioner = make_captioner(model.base_url)
        assert not (await draft(captioner)).had_headroom
        assert (await draft(captioner)).had_headroom
        assert [request["max_tokens"] for request in model.requests] == [64, 2112]


async def test_headroom_for_reasoning_is_bounded(make_captioner: CaptionerFactory) -> None:
    """At most three calls a draft, and at most 16,384 tokens; then an empty response is an error.

    The largest number is reached in the first draft: a model that needs 9,000 is not asked in vain.
    """
    async with raw_model_server() as model:
        model.respond(with_reasoning(None))
        captioner = make_captioner(model.base_url)
        for _ in range(3):
            with pytest.raises(ModelError) as caught:
                await draft(captioner)
            assert "reasoning" in caught.value.log_reason
        headroom = [request["max_tokens"] - 64 for request in model.requests]
        assert headroom == [0, 2048, 16384, 16384, 16384]


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 2112. This model supports at most 1200 completion tokens.",
        "This model's maximum context length is 2048 tokens. However, you requested 3400 tokens",
    ],
)
async def test_headroom_is_halved_where_the_server_refuses_so_many_tokens(
    make_captioner: CaptionerFactory, message: str
) -> None:
    """Instead of failing the draft."""
    async with raw_model_server() as model:
        model.respond(with_reasoning(None)).respond(openai_error(message), 400)
        model.complete("A blue disc.")
        assert (await draft(make_captioner(model.base_url))).text == "A blue disc."
        assert [request["max_tokens"] for request in model.requests] == [64, 2112, 1088]


async def test_a_response_cut_at_the_token_limit_without_reasoning_is_a_cut_draft(
    make_captioner: CaptionerFactory,
) -> None:
    """Validation ends it at a whole sentence."""
    async with raw_model_server() as model:
        model.complete("A blue disc on a white", finish_reason="length")
        found = await draft(make_captioner(model.base_url))
        assert (found.text, found.cut, found.had_headroom) == (
            "A blue disc on a white",
            True,
            False,
        )
        assert len(model.requests) == 1


async def test_a_reasoning_model_as_aimock_simulates_it_gets_headroom(
    make_captioner: CaptionerFactory, aimock: AimockModelServer
) -> None:
    """First an empty response at the token limit, then the caption."""
    aimock.respond({"content": " ", "reasoning": "Let me look.", "finishReason": "length"})
    aimock.respond_always({"content": "A blue disc on white."})
    found = await draft(make_captioner(aimock.base_url))
    assert (found.text, found.had_headroom) == ("A blue disc on white.", True)
    assert [call["max_tokens"] for call in aimock.calls()] == [64, 2112]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (402, ("This request requires more credits, or fewer max_tokens. You requested up to 2112 "
              "tokens, but can only afford 1200.")),
        (413, ("Request too large for model `m` in organization `o` service tier `on_demand` on "
              "tokens per minute (TPM): Limit 2000, Requested 2999, please reduce your message "
              "size and try again.")),
    ],
)  # fmt: skip
async def test_headroom_that_is_counted_as_if_it_were_used_is_halved(
    make_captioner: CaptionerFactory, status: int, message: str
) -> None:
    """OpenRouter and Groq: the image is not too large, nor is the credit used up."""
    async with raw_model_server() as model:
        model.respond(with_reasoning(None)).respond(openai_error(message), status)
        model.complete("A blue disc.")
        assert (await draft(make_captioner(model.base_url), 30)).text == "A blue disc."
        assert [request["max_tokens"] for request in model.requests] == [64, 2112, 1088]


async def test_a_known_model_is_asked_rightly_at_the_first_call(
    make_captioner: CaptionerFactory,
) -> None:
    """By what its provider documents: the name of the limit, no temperature, headroom."""
    openai, gemini = load_providers()["openai"], load_providers()["gemini"]
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        await draft(make_captioner(model.base_url, model="gpt-6-luna", provider=openai), 30)
        await draft(make_captioner(model.base_url, model="gpt-4o", provider=openai), 30)
        await draft(make_captioner(model.base_url, model="gemini-2.5-flash", provider=gemini), 30)
        first, second, third = model.requests
        assert (first["max_completion_tokens"], "temperature" in first) == (2112, False)
        assert (second["max_tokens"], second["temperature"]) == (64, 0.2)
        assert third["max_tokens"] == 2112


async def test_a_known_model_whose_thinking_is_off_gets_no_headroom(
    make_captioner: CaptionerFactory,
) -> None:
    """The operator's parameters have what its provider documents for that."""
    openai = load_providers()["openai"]
    async with raw_model_server() as model:
        model.complete("A blue disc.")
        params = {"reasoning_effort": "none", "seed": 7}
        captioner = make_captioner(
            model.base_url, model="gpt-6-luna", provider=openai, params=params
        )
        await draft(captioner, 30)
        assert model.requests[0]["max_completion_tokens"] == 64


async def test_a_model_that_only_streams_is_asked_for_its_usage(
    make_captioner: CaptionerFactory,
) -> None:
    """Which a stream has only where it is asked for; a server without that option is not."""
    only = openai_error("This model only support stream mode, please enable the stream parameter.")
    unknown = openai_error("Unrecognized request argument supplied: stream_options")
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "A blue disc."}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 300, "completion_tokens": 20}},
    ]
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    async with raw_model_server() as model:
        model.respond(only, 400).respond(stream)
        found = await draft(make_captioner(model.base_url), 30)
        assert (found.text, found.input_tokens, found.output_tokens) == ("A blue disc.", 300, 20)
        assert model.requests[1]["stream"] is True
        assert model.requests[1]["stream_options"] == {"include_usage": True}
        model.clear().respond(only, 400).respond(unknown, 400).respond(stream)
        assert (await draft(make_captioner(model.base_url), 30)).text == "A blue disc."
        assert model.requests[-1]["stream"] is True
        assert "stream_options" not in model.requests[-1]
