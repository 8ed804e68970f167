"""The body of a 200 is a model response, an error, or invalid."""

import json
from typing import Any

import pytest

from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.response import InvalidResponse, ModelResponse, parse_response
from testing.servers.raw_model_server import completion


def read(value: object) -> ModelResponse | ErrorBody | InvalidResponse:
    """The parsed body with this JSON value."""
    return parse_response(json.dumps(value).encode())


def text_of(value: object) -> str:
    """The text of what must be a model response."""
    found = read(value)
    assert isinstance(found, ModelResponse), found
    return found.text


def message(**members: Any) -> dict[str, Any]:
    """A completion with this message."""
    return completion(None, message={"role": "assistant", "content": None, **members})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (completion("A mug."), "A mug."),
        (completion([{"type": "text", "text": "A "}, {"type": "text", "text": "mug."}]), "A mug."),
        (completion(["A mug."]), "A mug."),
        (completion({"type": "text", "text": "A mug."}), "A mug."),
        (
            completion([
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "A mug."},
            ]),
            "A mug.",
        ),
        ({"choices": [{"text": "A mug.", "finish_reason": "stop"}]}, "A mug."),
        (
            {"choices": [*completion("A mug.")["choices"], *completion("A cup.")["choices"]]},
            "A mug.",
        ),
        ({"choices": [{"message": {"content": "A mug."}}]}, "A mug."),
        (completion("A mug\ud83d\ude00"), "A mug😀"),
        (completion("A mug\ud83d"), "A mug?"),
        (completion("A mug\ufffd\ufffd"), "A mug"),
        (message(content=17), ""),
        (message(), ""),
        ({"choices": [{}]}, ""),
    ],
)  # fmt: skip
def test_the_text_is_found_in_every_form(value: object, text: str) -> None:
    """Parts, a list of strings, the older `text`, the first of several choices."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("choice", "truncated", "refused"),
    [
        ({"finish_reason": "stop"}, False, False),
        ({"finish_reason": "length"}, True, False),
        ({"finish_reason": "MAX_TOKENS"}, True, False),
        ({"finish_reason": None}, False, False),
        ({"finish_reason": 3}, False, False),
        ({"finish_reason": "content_filter"}, False, True),
        ({"finish_reason": "content_filter: SAFETY"}, False, True),
        ({"finish_reason": "refusal"}, False, True),
        ({"finish_reason": "blacklist"}, False, True),  # GigaChat, beside a text about censorship
        ({"finish_reason": "content-filter"}, False, True),
        ({"finish_reason": "IMAGE_PROHIBITED_CONTENT"}, False, True),
        ({"finish_reason": "ERROR_TOXIC"}, False, True),
        ({"finish_reason": "stop", "native_finish_reason": "SAFETY"}, False, False),  # with text
        (
            {"message": {"content": ""}, "native_finish_reason": "IMAGE_SAFETY"},
            False,
            True,
        ),
        ({"message": {"content": None, "refusal": "I cannot."}}, False, True),
        ({"message": {"content": [{"type": "refusal", "refusal": "No."}]}}, False, True),
        ({"message": {"content": "A mug.", "refusal": ""}}, False, False),
    ],
)
def test_the_finish_reason_is_parsed(
    choice: dict[str, Any], truncated: bool, refused: bool
) -> None:
    """Servers use several words for the same reason."""
    found = read(completion("A mug.", **choice))
    assert isinstance(found, ModelResponse)
    assert (found.truncated, found.refused) == (truncated, refused)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4)),
        ({"input_tokens": 3, "output_tokens": 4.0}, (3, 4)),
        ({"prompt_tokens": "3", "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": -1, "completion_tokens": 1e300}, (None, None)),
        (None, (None, None)),
        ([1], (None, None)),
    ],
)
def test_implausible_usage_is_ignored(usage: object, tokens: tuple[int | None, int | None]) -> None:
    """Strings, booleans, negative and huge numbers."""
    found = read({**completion("A mug."), "usage": usage})
    assert isinstance(found, ModelResponse)
    assert (found.input_tokens, found.output_tokens) == tokens


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"error": {"message": "boom", "code": 502}}, 502),
        ({"error": "boom"}, None),
        ([{"error": {"message": "boom", "code": 429, "status": "RESOURCE_EXHAUSTED"}}], 429),
        ({"choices": [{"error": {"message": "boom", "code": 502}, "finish_reason": "error"}]}, 502),
        ({"message": "Rate limit exceeded", "raw_status_code": 429}, 429),
    ],
)
def test_an_error_inside_a_200_is_an_error_body(value: object, code: int | None) -> None:
    """Gateways send it."""
    found = read(value)
    assert isinstance(found, ErrorBody)
    assert found.status == code


def test_an_error_inside_an_event_stream_is_an_error_body() -> None:
    """Although no stream was requested."""
    event = {"type": "error", "error": {"code": "server_is_overloaded", "message": "Overloaded."}}
    found = parse_response(f"event: error\ndata: {json.dumps(event)}\n\n".encode())
    assert isinstance(found, ErrorBody)
    assert (found.message, "server_is_overloaded" in found.codes) == ("Overloaded.", True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no body"),
        (b" \n", "no body"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        (b"upstream connect error", "not JSON"),
        (b"null", "not JSON"),
        (b'"text"', "not JSON"),
        (b"[]", "without choices"),
        (b"{}", "without choices"),
        (b'{"choices": {"message": {}}}', "without choices"),
        (b'{"choices": ["A mug."]}', "not an object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b"9" * 100_000, "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
    ],
)
def test_a_body_that_no_chat_completions_api_sends_is_invalid(body: bytes, reason: str) -> None:
    """The base URL leads to a wrong server."""
    found = parse_response(body)
    assert isinstance(found, InvalidResponse)
    assert reason in found.reason
    assert found.is_wrong_server


def test_invalid_utf8_is_accepted_only_at_the_end() -> None:
    """There it is a character that the token limit cut in two."""
    body = json.dumps(completion("A m@g.")).encode()
    found = parse_response(body.replace(b"@", b"\xfc"))
    assert isinstance(found, InvalidResponse)
    assert not found.is_wrong_server
    body = json.dumps(completion("A mug@")).encode()
    ended = parse_response(body.replace(b"@", b"\xf0\x9f\x98"))
    assert isinstance(ended, ModelResponse)
    assert ended.text == "A mug"


def test_a_megabyte_of_text_is_invalid() -> None:
    """Longer than any model writes within the token limits."""
    found = read(completion("loop " * 250_000))
    assert isinstance(found, InvalidResponse)
    assert "1250000 characters" in found.reason


def test_a_tool_call_is_invalid_except_with_text_beside_it() -> None:
    """No tool was offered."""
    calls = [{"id": "1", "type": "function", "function": {"name": "see", "arguments": "{}"}}]
    assert isinstance(read(message(tool_calls=calls)), InvalidResponse)
    assert text_of(message(content="A mug.", tool_calls=calls)) == "A mug."


@pytest.mark.parametrize(
    ("value", "has_reasoning"),
    [
        (completion("A mug."), False),
        (completion("A mug.<|im_end|>"), False),
        (message(content="A mug.", reasoning_content="Hm."), True),
        (message(content="A mug.", reasoning="Hm."), True),
        (message(content="A mug.", reasoning_content=""), False),
        (completion("<think>" + "I look at it again. " * 8 + "</think>A mug."), True),
        (completion("<think>" + "I look at it again. " * 8), True),
        (
            {
                **completion("A mug."),
                "usage": {"completion_tokens_details": {"reasoning_tokens": 9}},
            },
            True,
        ),
        (
            {
                **completion("A mug."),
                "usage": {"completion_tokens_details": {"reasoning_tokens": 0}},
            },
            False,
        ),
        ({**completion("A mug."), "usage": {"completion_tokens_details": None}}, False),
        (completion("I need to describe this mug"), False),
        (completion("I need to describe this mug", finish_reason="length"), True),
    ],
)
def test_reasoning_is_detected(value: object, has_reasoning: bool) -> None:
    """In a field, in the usage, in the text."""
    found = read(value)
    assert isinstance(found, ModelResponse)
    assert found.has_reasoning == has_reasoning


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}, (20, 8, 0)),
        ({"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 433}, (20, 8, 405)),
        ({"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 433,
          "completion_tokens_details": {"reasoning_tokens": 405}}, (20, 413, 0)),
        ({"prompt_tokens": 20, "completion_tokens": 408, "total_tokens": 428,
          "completion_tokens_details": {"reasoning_tokens": 400}}, (20, 408, 0)),
        ({"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 3}, (20, 8, 0)),
        ({"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": "many"}, (20, 8, 0)),
        ({"completion_tokens": 8, "total_tokens": 433}, (None, 8, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, None, 0)),
        ({"prompt_tokens": 20, "completion_tokens": 0, "total_tokens": 20}, (20, None, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 8}, (None, 8, 0)),
    ],
)  # fmt: skip
def test_tokens_in_the_total_alone_are_told_apart(
    usage: dict[str, Any], counts: tuple[int | None, int | None, int]
) -> None:
    """Those of reasoning that is counted beside the completion (xAI) are output.

    Where a prompt and a text had no tokens, the server has not counted.
    """
    found = read({**message(content="A mug."), "usage": usage})
    assert isinstance(found, ModelResponse)
    assert (found.input_tokens, found.output_tokens, found.uncounted_tokens) == counts
    assert found.has_reasoning == (counts[2] > 0 or "completion_tokens_details" in usage)


@pytest.mark.parametrize(
    "members",
    [
        {"native_finish_reason": "MAX_TOKENS"},
        {"provider_specific_fields": {"native_finish_reason": "max_tokens"}},
    ],
)
def test_a_gateways_native_finish_reason_is_read(members: dict[str, Any]) -> None:
    """OpenRouter and LiteLLM say `stop` beside it."""
    choice = {"message": {"content": "A mug on a"}, "finish_reason": "stop", **members}
    found = read({"choices": [choice]})
    assert isinstance(found, ModelResponse)
    assert found.truncated
    filtered = {"message": {"content": ""}, "finish_reason": "stop",
                "provider_specific_fields": {"native_finish_reason": "SAFETY"}}  # fmt: skip
    refused = read({"choices": [filtered]})
    assert isinstance(refused, ModelResponse)
    assert refused.refused
