"""What a model wants to be asked like is learned from its refusals, over real sockets."""

import asyncio
import base64

import pytest

from app.captioning.errors import ModelError
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.runtime.deadline import Deadline
from app.types import Draft
from testing.servers.aimock_model_server import AimockModelServer
from testing.servers.raw_model_server import completion, raw_model_server
from tests.captioning.conftest import Remotes
from tests.captioning.draft_requests import ask, picture

KEY = "sk-test-0123456789abcdef"


async def draft(tried: OpenAICompatCaptioner, seconds: float = 5.0, **changes: object) -> Draft:
    """One draft of the same picture."""
    return await tried.draft(picture(), ask(**changes), Deadline.after(seconds))


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


async def test_a_model_that_wants_other_parameters_is_asked_its_way_from_then_on(
    remotes: Remotes,
) -> None:
    """Three lessons in the first caption, none in the second."""
    async with raw_model_server() as model:
        model.respond(refusal(MAX_TOKENS_IS_OLD, param="max_tokens"), 400)
        model.respond(refusal(NO_TEMPERATURE, param="temperature"), 400)
        model.respond(refusal("System role not supported"), 400)
        model.complete("A blue disc.")
        tried = remotes(model.base_url)
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
async def test_refusals_of_many_servers_are_understood(
    remotes: Remotes, status: int, body: dict[str, object], left_out: str
) -> None:
    """FastAPI's, Moonshot's, Azure's, vLLM's, llama.cpp's and Groq's."""
    async with raw_model_server() as model:
        model.respond(body, status).complete("A blue disc.")
        await draft(remotes(model.base_url))
        first, second = model.requests
        if left_out == "system":
            assert [message["role"] for message in second["messages"]] == ["user"]
        else:
            assert left_out in first
            assert left_out not in second


async def test_a_model_that_takes_no_ceiling_at_all_is_held_by_us(remotes: Remotes) -> None:
    """Both names refused: none is sent, and the draft says that it may be longer."""
    async with raw_model_server() as model:
        model.respond(refusal("Unknown parameter: max_tokens"), 400)
        model.respond(refusal("Unknown parameter: max_completion_tokens"), 400)
        model.complete("A blue disc.")
        found = await draft(remotes(model.base_url))
        assert found.had_headroom
        assert not {"max_tokens", "max_completion_tokens"} & set(model.requests[2])


async def test_a_model_that_refuses_for_ever_is_asked_a_bounded_number_of_times(
    remotes: Remotes,
) -> None:
    """Each lesson is learned once; the same words again are an error."""
    async with raw_model_server() as model:
        model.respond(refusal("temperature, max_tokens, max_completion_tokens: not supported"), 400)
        with pytest.raises(ModelError):
            await draft(remotes(model.base_url))
        assert len(model.requests) <= 4


async def test_what_one_call_learns_another_in_flight_does_not_unlearn(remotes: Remotes) -> None:
    """Sixteen first calls at once end with one dialect."""
    async with raw_model_server() as model:
        for _ in range(16):
            model.respond(refusal(MAX_TOKENS_IS_OLD, param="max_tokens"), 400)
        model.complete("A blue disc.")
        tried = remotes(model.base_url)
        await asyncio.gather(*(draft(tried) for _ in range(16)))
        await draft(tried)
        assert "max_completion_tokens" in model.requests[-1]
        assert "temperature" in model.requests[-1]


def thinking(text: str | None, finish: str = "length", tokens: int = 64) -> dict[str, object]:
    """An answer of a model that thought beside it."""
    message = {"role": "assistant", "content": text, "reasoning_content": "The user wants ..."}
    body = completion(None, message=message, finish_reason=finish)
    body["usage"]["completion_tokens"] = tokens
    return body


async def test_an_empty_answer_at_the_ceiling_gets_room_to_think_once_and_for_good(
    remotes: Remotes,
) -> None:
    """64, then 1,088; the next caption begins there, and what was spent is told."""
    async with raw_model_server() as model:
        model.respond(thinking(None)).complete("A blue disc.").complete("A blue disc.")
        tried = remotes(model.base_url)
        found = await draft(tried)
        assert (found.text, found.cut, found.had_headroom) == ("A blue disc.", False, True)
        assert (found.input_tokens, found.output_tokens) == (600, 84)
        assert (await draft(tried)).had_headroom
        assert [request["max_tokens"] for request in model.requests] == [64, 1088, 1088]


@pytest.mark.parametrize(
    "first",
    [
        completion("", finish_reason="length"),
        completion(None, finish_reason="length"),
        completion("<think>The user wants a caption of the disc. First", finish_reason="length"),
        completion("<think>So, a disc and some white around it, nothing else. I write it now. It is"
               " short.</think>A blue", finish_reason="length"),
        completion("Let me think about what I see here, a disc", finish_reason="length"),
        thinking("", finish="stop"),
        {**completion(""), "usage": {"completion_tokens": 64,
                                 "completion_tokens_details": {"reasoning_tokens": 64}}},
    ],
)  # fmt: skip
async def test_every_sign_of_thinking_is_understood(
    remotes: Remotes, first: dict[str, object]
) -> None:
    """Nothing, nothing but thought, or thought that left no room for the end."""
    async with raw_model_server() as model:
        model.respond(first).complete("A blue disc.")
        assert (await draft(remotes(model.base_url))).text == "A blue disc."
        assert len(model.requests) == 2


async def test_a_good_answer_with_thought_teaches_for_the_next_time_only(remotes: Remotes) -> None:
    """It is not asked again."""
    async with raw_model_server() as model:
        model.respond(thinking("A blue disc.", finish="stop"))
        tried = remotes(model.base_url)
        assert not (await draft(tried)).had_headroom
        assert (await draft(tried)).had_headroom
        assert [request["max_tokens"] for request in model.requests] == [64, 1088]


async def test_a_model_that_never_stops_thinking_is_an_error_and_bounded(remotes: Remotes) -> None:
    """Two calls an ask; the room grows to 4,096 and no further."""
    async with raw_model_server() as model:
        model.respond(thinking(None))
        tried = remotes(model.base_url)
        for _ in range(4):
            with pytest.raises(ModelError) as caught:
                await draft(tried)
            assert "thinking" in caught.value.log_reason
        asked = [request["max_tokens"] - 64 for request in model.requests]
        assert asked == [0, 1024, 2048, 4096, 4096, 4096]


@pytest.mark.parametrize(
    "too_many",
    [
        "max_tokens is too large: 1088. This model supports at most 600 completion tokens.",
        "This model's maximum context length is 2048 tokens. However, you requested 2400 tokens",
    ],
)
async def test_a_server_whose_window_is_small_gets_less_room(
    remotes: Remotes, too_many: str
) -> None:
    """A limit on tokens halves the room instead of ending the caption."""
    async with raw_model_server() as model:
        model.respond(thinking(None)).respond(refusal(too_many), 400).complete("A blue disc.")
        assert (await draft(remotes(model.base_url))).text == "A blue disc."
        assert [request["max_tokens"] for request in model.requests] == [64, 1088, 576]


async def test_an_answer_cut_at_the_ceiling_without_thought_is_a_cut_draft(
    remotes: Remotes,
) -> None:
    """It is handed on, for the validator to end it well."""
    async with raw_model_server() as model:
        model.complete("A blue disc on a white", finish_reason="length")
        found = await draft(remotes(model.base_url))
        assert (found.text, found.cut, found.had_headroom) == (
            "A blue disc on a white",
            True,
            False,
        )
        assert len(model.requests) == 1


async def test_a_thinking_model_of_another_make_is_understood(
    remotes: Remotes, aimock: AimockModelServer
) -> None:
    """aimock plays a reasoning model: first silence at the ceiling, then the caption."""
    aimock.respond({"content": " ", "reasoning": "Let me look.", "finishReason": "length"})
    aimock.respond_always({"content": "A blue disc on white."})
    found = await draft(remotes(aimock.base_url))
    assert (found.text, found.had_headroom) == ("A blue disc on white.", True)
    assert [call["max_tokens"] for call in aimock.calls()] == [64, 1088]


TOO_LARGE = "The prompt contains an image item with length 4200, which exceeds the encoder cache"


async def test_a_model_that_finds_the_picture_too_large_gets_it_smaller_once(
    remotes: Remotes,
) -> None:
    """Through the callback; a second refusal is an error."""
    shrunk: list[bytes] = []

    async def shrink(jpeg: bytes) -> bytes:
        shrunk.append(jpeg)
        return b"smaller"

    async with raw_model_server() as model:
        model.respond(refusal(TOO_LARGE), 400).complete("A blue disc.").respond(
            refusal(TOO_LARGE), 400
        )
        tried = remotes(model.base_url, shrink=shrink)
        await draft(tried)
        url = model.requests[1]["messages"][1]["content"][0]["image_url"]["url"]
        assert base64.b64decode(url.partition(",")[2]) == b"smaller"
        with pytest.raises(ModelError):
            await draft(tried)
        assert (len(model.requests), shrunk) == (4, [picture().jpeg, picture().jpeg])


async def test_without_a_way_to_shrink_it_is_an_error_after_one_call(remotes: Remotes) -> None:
    """Nothing else would help."""
    async with raw_model_server() as model:
        model.respond(refusal(TOO_LARGE), 400)
        with pytest.raises(ModelError):
            await draft(remotes(model.base_url))
        assert len(model.requests) == 1
