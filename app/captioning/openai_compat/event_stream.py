"""Joins a streamed response into the chat completion that a server without streaming would send.

Some servers stream although `stream` is false, or append `data: [DONE]` to complete JSON.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.captioning.openai_compat.bounded_json import has_few_parts, load_json, parse_int

_MAX_LINES = 50_000
"""A caption with reasoning has some thousand events; parsing more would hold the event loop up."""
_MIN_CUMULATIVE_PIECES = 3
_DONE = "[DONE]"
_SSE_STARTS = ("data:", "event:", "id:", "retry:", ":")
_KEPT_MEMBERS = (
    "model", "usage", "input_sensitive", "output_sensitive", "base_resp", "prompt_filter_results",
    "promptFeedback", "prompt_feedback",
)  # fmt: skip
"""Members of a chunk besides its choices; the last value that says something counts."""
_REASONING_MEMBERS = ("reasoning_content", "reasoning")
_TOO_MANY_LINES = {"error": {"message": "the event stream has too many lines"}}


@dataclass(frozen=True, slots=True)
class JoinedStream:
    """The chat completion, or the first error, that a stream contains."""

    value: Mapping[str, Any]
    is_complete: bool
    """The stream said that it was at its end, by a finish reason or by `[DONE]`."""


def join_stream(text: str) -> JoinedStream | None:
    """The joined chunks of an event stream or of JSON values one after another.

    None where the text is neither, and where it is a single JSON value.
    """
    stripped = text.strip().removeprefix("\ufeff")
    if stripped.startswith(_SSE_STARTS):
        values = list(_event_values(stripped))
    elif stripped.startswith("{"):
        values = list(_json_values(stripped))
        if len(values) < 2:
            return None
    else:
        return None
    events = [value for value in values if isinstance(value, Mapping)]
    if not events:
        return None
    stream = _Stream(is_done=_DONE in values)
    for event in events:
        if event.get("error"):
            return JoinedStream(event, is_complete=True)
        stream.add(event)
    if not stream.has_choices:  # an error, or whatever else the server means
        return JoinedStream(events[0], is_complete=True)
    return JoinedStream(stream.to_completion(), stream.is_done or stream.finish_reason is not None)


def _split_lines(text: str) -> list[str]:
    """At the line ends of an event stream: a text may have U+2028 or U+0085, which JSON allows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _event_values(text: str) -> Iterator[object]:
    """The JSON value of each event (or `[DONE]`). Blank lines between events may be missing."""
    pending: list[str] = []
    lines = _split_lines(text)
    if len(lines) > _MAX_LINES:
        yield _TOO_MANY_LINES
        return
    for line in (*lines, ""):
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data == _DONE:
            yield _DONE
            return
        if data:
            # An event of several lines is read once, at its end: read again with each line, a
            # megabyte of lines would take minutes.
            values = [] if pending else list(_values_of(data))
            yield from values
            if not values:
                pending.append(data)
        elif not line.strip():
            yield from _values_of("\n".join(pending))
            pending.clear()


def _json_values(text: str) -> Iterator[object]:
    """JSON values one after another, with or without `data:` before each; ends at other text."""
    if not has_few_parts(text):  # as a whole; each line may have
        for line in itertools.islice(_split_lines(text), _MAX_LINES):
            yield from _values_of(line)
        return
    decoder, position = json.JSONDecoder(parse_int=parse_int), 0
    for _ in range(_MAX_LINES):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield value
        rest = text[position : position + 256]
        position += len(rest) - len(rest.lstrip())
        if text.startswith("data:", position):
            rest = text[position + 5 : position + 256]
            position += 5 + len(rest) - len(rest.lstrip())
        if text.startswith(_DONE, position):
            yield _DONE
            return


def _values_of(text: str) -> Iterator[object]:
    """The one JSON value that the text is, or none."""
    with contextlib.suppress(ValueError):
        yield load_json(text)


@dataclass(slots=True)
class _Stream:
    """The parts of a message, as its chunks arrive."""

    is_done: bool
    finish_reason: object = None
    has_choices: bool = False
    _contents: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _refusals: list[str] = field(default_factory=list)
    _has_tool_calls: bool = False
    _filter_results: object = None
    _kept: dict[str, Any] = field(default_factory=dict)

    def add(self, event: Mapping[str, Any]) -> None:
        for name in _KEPT_MEMBERS:
            if event.get(name):
                self._kept[name] = event[name]
        if "choices" not in event and isinstance(event.get("message"), Mapping):
            done = event.get("done")  # the native API of Ollama: one JSON value a line
            reason = (event.get("done_reason") or "stop") if done is True else None
            self._add_choice({"message": event["message"], "finish_reason": reason})
            return
        choices = event.get("choices")
        self.has_choices |= "choices" in event
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, Mapping) and choice.get("index") in (0, None):
                self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        self.has_choices = True
        if choice.get("finish_reason"):
            self.finish_reason = choice["finish_reason"]
        self._filter_results = choice.get("content_filter_results") or self._filter_results
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, Mapping):
            delta = {"content": choice.get("text")}
        self._contents += _texts(delta.get("content"))
        for name in _REASONING_MEMBERS:
            self._reasoning += _texts(delta.get(name))
        self._refusals += _texts(delta.get("refusal"))
        self._has_tool_calls |= bool(delta.get("tool_calls") or delta.get("function_call"))

    def to_completion(self) -> Mapping[str, Any]:
        """The response that the server would have sent without streaming."""
        if not (
            self._contents or self._reasoning or self._refusals or self._has_tool_calls
            or self.finish_reason
        ):  # fmt: skip
            return {**self._kept, "choices": []}
        message: dict[str, Any] = {"role": "assistant", "content": _join(self._contents)}
        if self._reasoning:
            message["reasoning_content"] = _join(self._reasoning)
        if self._refusals:
            message["refusal"] = _join(self._refusals)
        if self._has_tool_calls:
            message["tool_calls"] = [{}]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self.finish_reason,
            "content_filter_results": self._filter_results,
        }
        return {**self._kept, "choices": [choice]}


def _texts(content: object) -> list[str]:
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    return [text for text in texts if isinstance(text, str) and text]


def _join(pieces: list[str]) -> str:
    """The pieces one after another, or the last where each repeats the one before it."""
    is_cumulative = len(pieces) >= _MIN_CUMULATIVE_PIECES and all(
        later.startswith(earlier) for earlier, later in itertools.pairwise(pieces)
    )
    return pieces[-1] if is_cumulative and pieces[0] != pieces[-1] else "".join(pieces)
