"""Whatever a model's server sends in a 200 becomes an answer, a complaint or nonsense."""

import json
from typing import Any

import pytest

from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.response import InvalidResponse, ModelResponse, parse_response
from testing.servers.raw_model_server import completion


def read(value: object) -> ModelResponse | ErrorBody | InvalidResponse:
    """What a body is, given as JSON."""
    return parse_response(json.dumps(value).encode())


def text_of(value: object) -> str:
    """The text of what must be an answer."""
    found = read(value)
    assert isinstance(found, ModelResponse), found
    return found.text


def message(**members: Any) -> dict[str, Any]:
    """An answer with this message."""
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
def test_a_text_is_found_in_every_shape(value: object, text: str) -> None:
    """Parts, plain lists, the older form, the first of several choices."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("choice", "cut", "refused"),
    [
        ({"finish_reason": "stop"}, False, False),
        ({"finish_reason": "length"}, True, False),
        ({"finish_reason": "MAX_TOKENS"}, True, False),
        ({"finish_reason": None}, False, False),
        ({"finish_reason": 3}, False, False),
        ({"finish_reason": "content_filter"}, False, True),
        ({"finish_reason": "content_filter: SAFETY"}, False, True),
        ({"finish_reason": "refusal"}, False, True),
        ({"message": {"content": None, "refusal": "I cannot."}}, False, True),
        ({"message": {"content": [{"type": "refusal", "refusal": "No."}]}}, False, True),
        ({"message": {"content": "A mug.", "refusal": ""}}, False, False),
    ],
)
def test_how_it_ended_is_read(choice: dict[str, Any], cut: bool, refused: bool) -> None:
    """Every word for the same end."""
    found = read(completion("A mug.", **choice))
    assert isinstance(found, ModelResponse)
    assert (found.cut, found.refused) == (cut, refused)


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
def test_usage_is_taken_where_it_can_be_true(
    usage: object, tokens: tuple[int | None, int | None]
) -> None:
    """Null where it is unknown."""
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
def test_an_error_inside_a_200_is_a_complaint(value: object, code: int | None) -> None:
    """As gateways send it."""
    found = read(value)
    assert isinstance(found, ErrorBody)
    assert found.status == code


def test_an_error_inside_an_event_stream_is_a_complaint() -> None:
    """Although no stream was asked for."""
    event = {"type": "error", "error": {"code": "server_is_overloaded", "message": "Overloaded."}}
    found = parse_response(f"event: error\ndata: {json.dumps(event)}\n\n".encode())
    assert isinstance(found, ErrorBody)
    assert (found.message, "server_is_overloaded" in found.codes) == ("Overloaded.", True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no body"),
        (b" \n", "no body"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML"),
        (b"upstream connect error", "no JSON"),
        (b"null", "no JSON"),
        (b'"text"', "no JSON"),
        (b"[]", "without choices"),
        (b"{}", "without choices"),
        (b'{"choices": []}', "without choices"),
        (b'{"choices": {"message": {}}}', "without choices"),
        (b'{"choices": ["A mug."]}', "no object"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a":' * 100_000, "no JSON"),
        (b"9" * 100_000, "no JSON"),
        (b"\x00\xff\xfe", "no JSON"),
    ],
)
def test_nonsense_is_called_so(body: bytes, words: str) -> None:
    """And says what it is; a server that talks so is broken, not only this answer."""
    found = parse_response(body)
    assert isinstance(found, InvalidResponse)
    assert words in found.reason
    assert found.is_broken


def test_an_answer_with_lost_letters_is_not_used() -> None:
    """Invalid UTF-8 in the middle; at the end it is a character that the ceiling cut in two."""
    body = json.dumps(completion("A m@g.")).encode()
    found = parse_response(body.replace(b"@", b"\xfc"))
    assert isinstance(found, InvalidResponse)
    assert not found.is_broken
    body = json.dumps(completion("A mug@")).encode()
    ended = parse_response(body.replace(b"@", b"\xf0\x9f\x98"))
    assert isinstance(ended, ModelResponse)
    assert ended.text == "A mug"


def test_a_megabyte_is_no_answer_and_costs_little() -> None:
    """Longer than any model writes below our ceilings."""
    found = read(completion("loop " * 250_000))
    assert isinstance(found, InvalidResponse)
    assert "1250000 characters" in found.reason


def test_a_tool_call_is_no_answer_but_text_beside_it_is() -> None:
    """None was offered."""
    calls = [{"id": "1", "type": "function", "function": {"name": "see", "arguments": "{}"}}]
    assert isinstance(read(message(tool_calls=calls)), InvalidResponse)
    assert text_of(message(content="A mug.", tool_calls=calls)) == "A mug."


@pytest.mark.parametrize(
    ("value", "thought"),
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
def test_thinking_is_noticed(value: object, thought: bool) -> None:
    """In a field, in the usage, in the text."""
    found = read(value)
    assert isinstance(found, ModelResponse)
    assert found.thought == thought
