"""A streamed response is read like one that was not streamed."""

import json
from typing import Any

import pytest

from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.response import InvalidResponse, ModelResponse, parse_response
from testing.servers.raw_model_server import completion, openai_error, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

PIECES = ("A ", "red ", "disc lies on ", "a table.")
TEXT = "A red disc lies on a table."
USAGE = {"prompt_tokens": 300, "completion_tokens": 20}


def chunk(delta: object = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    """One piece of a streamed response; `more` are members beside its choices."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice], **more}


def events(*values: object, done: bool = True, gap: str = "\n\n") -> bytes:
    """An event stream of these JSON values."""
    lines = [f"data: {json.dumps(value)}" for value in values]
    return (gap.join([*lines, "data: [DONE]"] if done else lines) + "\n").encode()


CHUNKS = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": c}) for c in PIECES)]
END = chunk(finish_reason="stop")


@pytest.mark.parametrize(
    "body",
    [
        events(*CHUNKS, END),
        events(*CHUNKS, END, done=False),
        events(*CHUNKS),
        events(*CHUNKS, END, gap="\n"),
        events(*CHUNKS, END, gap="\r\n\r\n"),
        b": keep-alive\n\n" + events(*CHUNKS, END),
        b"\xef\xbb\xbf" + events(*CHUNKS, END),
        b"event: message\nid: 7\nretry: 100\n" + events(*CHUNKS, END),
        events(*CHUNKS, END).replace(b"data: ", b"data:"),
        events(completion(TEXT)),
        json.dumps(completion(TEXT)).encode() + b"\ndata: [DONE]\n\n",
        json.dumps(completion(TEXT), indent=2).encode() + b"data: [DONE]",
        "\n".join(json.dumps(value) for value in (*CHUNKS, END)).encode(),
        events(*(chunk({"content": [{"type": "text", "text": c}]}) for c in PIECES), END),
        events(*({"choices": [{"text": c, "index": 0}]} for c in PIECES), END),
        events(*(chunk({"content": "".join(PIECES[: n + 1])}) for n in range(4)), END),
        events({"choices": [], "prompt_filter_results": []}, *CHUNKS, END),
        events(*CHUNKS, END, {"choices": [], "usage": USAGE}),
        events(*CHUNKS, {"choices": [{"index": 1, "delta": {"content": "Or"}}]}, END),
        b'data: {"choices":\ndata: [{"index": 0, "delta": {"content": "' + TEXT.encode()
        + b'"}, "finish_reason": "stop"}]}\n\n',
        "\n".join(json.dumps({"message": {"content": c}, "done": c == PIECES[-1]})
                  for c in PIECES).encode(),
    ],
)  # fmt: skip
def test_the_pieces_are_joined(body: bytes) -> None:
    """With and without gaps, [DONE], finish reason, comments; deltas, texts, whole messages."""
    found = parse_response(body)
    assert isinstance(found, ModelResponse), found
    assert (found.text, found.truncated, found.refused) == (TEXT, False, False)


def test_the_usage_of_the_last_event_counts() -> None:
    """It comes after the finish reason, or with every event."""
    found = parse_response(events(*CHUNKS, END, {"choices": [], "usage": USAGE}))
    assert isinstance(found, ModelResponse)
    assert (found.input_tokens, found.output_tokens) == (300, 20)


@pytest.mark.parametrize(
    ("finish_reason", "truncated", "refused"),
    [("length", True, False), ("content_filter", False, True), ("sensitive", False, True)],
)
def test_the_finish_reason_of_a_stream_counts(
    finish_reason: str, truncated: bool, refused: bool
) -> None:
    found = parse_response(events(*CHUNKS, chunk(finish_reason=finish_reason)))
    assert isinstance(found, ModelResponse)
    assert (found.truncated, found.refused) == (truncated, refused)


def test_reasoning_and_refusals_are_joined_as_well() -> None:
    thoughts = [chunk({"reasoning_content": part}) for part in ("The user ", "wants a caption.")]
    found = parse_response(events(*thoughts, *CHUNKS, END))
    assert isinstance(found, ModelResponse)
    assert (found.text, found.has_reasoning) == (TEXT, True)
    found = parse_response(events(chunk({"refusal": "I "}), chunk({"refusal": "cannot."}), END))
    assert isinstance(found, ModelResponse)
    assert found.refused


@pytest.mark.parametrize(
    "body",
    [
        events({"error": {"message": "boom", "code": 502}}),
        events(*CHUNKS, {"error": {"message": "boom", "code": 502}}),
        events(*CHUNKS[:2], {"error": {"message": "boom", "code": 502}, "choices": []}),
        events(*CHUNKS, chunk(finish_reason="error")),
    ],
)
def test_an_error_in_the_middle_is_an_error(body: bytes) -> None:
    """The pieces before it are no caption."""
    found = parse_response(body)
    assert isinstance(found, ErrorBody)
    assert found.status == 502


def test_a_stream_of_filter_results_only_is_a_refusal() -> None:
    body = events({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
    found = parse_response(body)
    assert isinstance(found, ModelResponse)
    assert found.refused


def test_a_stream_without_an_end_is_invalid() -> None:
    """The connection was closed in between."""
    found = parse_response(events(*CHUNKS, done=False))
    assert isinstance(found, InvalidResponse)
    assert not found.is_wrong_server


def test_a_stream_of_a_million_lines_is_an_error() -> None:
    """It would hold the event loop up."""
    assert isinstance(parse_response(b"data: 1\n" * 200_000), ErrorBody)


async def test_a_server_that_streams_gives_a_caption(make_captioner: CaptionerFactory) -> None:
    """`stream` is false in the request."""
    async with raw_model_server() as model:
        model.respond(events(*CHUNKS, END), content_type="text/event-stream")
        assert (await draft(make_captioner(model.base_url))).text == TEXT
        assert model.requests[0]["stream"] is False


async def test_a_model_that_only_streams_is_asked_for_a_stream(
    make_captioner: CaptionerFactory,
) -> None:
    """That is remembered."""
    async with raw_model_server() as model:
        message = "This model only support stream mode, please enable the stream parameter."
        model.respond(openai_error(message), 400).respond(events(*CHUNKS, END))
        captioner = make_captioner(model.base_url)
        await draft(captioner)
        await draft(captioner)
        assert [request["stream"] for request in model.requests] == [False, True, True]


async def test_a_server_that_does_not_know_stream_is_not_told(
    make_captioner: CaptionerFactory,
) -> None:
    async with raw_model_server() as model:
        model.respond(openai_error("Unrecognized request argument supplied: stream"), 400)
        model.complete(TEXT)
        assert (await draft(make_captioner(model.base_url))).text == TEXT
        assert "stream" not in model.requests[1]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize(
    ("reasoning", "is_caption"),
    [
        (TEXT, True),
        ("Eine rote Scheibe liegt auf einem Tisch.", True),
        ("一个红色的圆盘放在白色的桌子上。", True),
        ("The user wants a caption of a red disc on a table.", False),
        ("A red disc on a table. I should mention the colour.", False),
        ("A red disc\n\nA table", False),
        ("A red disc on", False),
        ("Hmm. A red disc, maybe a plate.", False),
        ("用户需要一个描述。", False),
        ("A red disc. " * 200, False),
    ],
)
def test_a_caption_in_the_reasoning_is_used_and_a_thought_is_not(
    name: str, reasoning: str, is_caption: bool
) -> None:
    """Reasoning parsers put the answer there where thinking is off."""
    message = {"role": "assistant", "content": None, name: reasoning}
    for body in (
        json.dumps(completion(None, message=message)).encode(),
        events(chunk({name: reasoning}), END),
    ):
        found = parse_response(body)
        assert isinstance(found, ModelResponse)
        assert (found.text == reasoning, found.is_empty) == (is_caption, not is_caption)


@pytest.mark.parametrize(("finish_reason", "reasoning_tokens"), [("length", 0), ("stop", 12)])
def test_reasoning_that_was_counted_or_cut_off_is_no_caption(
    finish_reason: str, reasoning_tokens: int
) -> None:
    """Then thinking was on."""
    message = {"role": "assistant", "content": "", "reasoning_content": TEXT}
    body = completion(None, message=message, finish_reason=finish_reason)
    body["usage"]["completion_tokens_details"] = {"reasoning_tokens": reasoning_tokens}
    found = parse_response(json.dumps(body).encode())
    assert isinstance(found, ModelResponse)
    assert found.is_empty


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"], ids=["2028", "2029", "85"])
def test_a_separator_of_unicode_in_a_piece_ends_no_line(separator: str) -> None:
    """Servers send it unescaped; only CR and LF end a line of an event stream."""
    pieces = [chunk({"content": f"A red{separator}"}), chunk({"content": "mug."}), END]
    lines = [f"data: {json.dumps(piece, ensure_ascii=False)}" for piece in pieces]
    response = parse_response("\n\n".join(lines).encode())
    assert isinstance(response, ModelResponse)
    assert response.text == f"A red{separator}mug."
