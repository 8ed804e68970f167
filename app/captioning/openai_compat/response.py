"""What a model's answer is: one text and how it ended, out of whatever its server sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.captioning.openai_compat.error_body import (
    ErrorBody,
    find_complaint,
    parsed,
    read_complaint,
)
from app.validation.reasoning_tokens import MAX_DRAFT_CHARS, is_unmarked_reasoning, strip_reasoning

_TEXT_CHARS = 100_000
"""Longer is no answer to a ceiling of some thousand tokens, thinking included."""

_MARKS_CHARS = 80
"""Template marks around an answer take less; a thought takes more."""

_CUT = frozenset({"length", "max_tokens", "max_output_tokens"})
_FILTERED = re.compile(
    r"content_?filter|safety|refusal|refused|prohibited_content|recitation|blocklist|spii|sensitive"
    r"|moderation|guardrail"
)
_LOST_LETTER = "\ufffd"


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """A model's own words and how they ended."""

    text: str
    cut: bool = False
    """The token ceiling ended it."""
    thought: bool = False
    """It spent tokens on thinking, told by its usage, by a field, or by marks in the text."""
    refused: bool = False
    """The model or a filter behind it refused."""
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def is_silent(self) -> bool:
        """Nothing is left of it without the thinking."""
        return not strip_reasoning(self.text)


@dataclass(frozen=True, slots=True)
class InvalidResponse:
    """A 200 that is neither an answer nor a complaint."""

    reason: str
    is_broken: bool
    """The server itself is wrong (HTML, not JSON), and not only this one answer."""


def parse_response(body: bytes) -> ModelResponse | ErrorBody | InvalidResponse:
    """The answer in the body of a 200, or the complaint that hides there, or what is wrong.

    Takes the first choice, text in one piece or in parts; never raises.
    """
    text, whole = _decoded(body)
    value = parsed(text)
    if isinstance(value, Mapping) and isinstance(value.get("choices"), list) and value["choices"]:
        return _from_choices(value, whole)
    if isinstance(value, (Mapping, list)):
        complaint = find_complaint(value, text[:16_384])
        if complaint is not None:
            return complaint
        return InvalidResponse("the answer is JSON without choices", is_broken=True)
    if text.lstrip().startswith(("data:", "event:")):
        return read_complaint(body)
    if not text.strip():
        return InvalidResponse("the answer has no body", is_broken=True)
    kind = (
        "HTML" if re.match(r"\s*<(?:!doctype|html|head|body)", text, re.IGNORECASE) else "no JSON"
    )
    return InvalidResponse(f"the answer is {kind}: check ALTWRIGHT_MODEL_BASE_URL", is_broken=True)


def _decoded(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace"), False


def _from_choices(
    value: Mapping[str, Any], whole: bool
) -> ModelResponse | ErrorBody | InvalidResponse:
    choice = value["choices"][0]
    if not isinstance(choice, Mapping):
        return InvalidResponse("the first choice is no object", is_broken=True)
    if isinstance(choice.get("error"), Mapping):  # OpenRouter: the provider failed half-way
        complaint = find_complaint({"error": choice["error"]}, str(choice["error"])[:16_384])
        if complaint is not None:
            return complaint
    message = choice.get("message")
    if not isinstance(message, Mapping):
        message = {"content": choice.get("text")}
    text, thought, refusal = _content(message)
    finish = str(choice.get("finish_reason") or "").lower()
    # A lone surrogate is valid in JSON and in no other encoding; a character cut in two at the
    # ceiling leaves U+FFFD at the end.
    text = text.encode("utf-8", "replace").decode("utf-8")
    if text.endswith(_LOST_LETTER):
        text = text.rstrip(_LOST_LETTER)
    if not whole and _LOST_LETTER in text:
        return InvalidResponse("the answer is not valid UTF-8", is_broken=False)
    if len(text) > _TEXT_CHARS:
        return InvalidResponse(f"the answer has {len(text)} characters", is_broken=False)
    if not text.strip() and _has_tool_calls(message):
        return InvalidResponse(
            "the model called a tool, although it was offered none", is_broken=False
        )
    usage = value.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return ModelResponse(
        text=text,
        cut=finish in _CUT,
        thought=thought
        or _reasoning_tokens(usage) > 0
        or _thinks_in(text)
        # A tone alone is a guess: it counts only where it would explain a missing end.
        or (finish in _CUT and is_unmarked_reasoning(text)),
        refused=refusal or _FILTERED.search(finish) is not None,
        input_tokens=_count(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=_count(usage.get("completion_tokens", usage.get("output_tokens"))),
    )


def _content(message: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """The text of a message, whether it thought aloud beside it, and whether it refused."""
    names = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
    thought = any(bool(message.get(name)) for name in names)
    refusal = isinstance(message.get("refusal"), str) and bool(message["refusal"].strip())
    content = message.get("content")
    if isinstance(content, str):
        return content, thought, refusal
    texts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            kind = part.get("type")
            thought = thought or kind in ("thinking", "reasoning", "redacted_thinking")
            refusal = refusal or (kind == "refusal" and bool(part.get("refusal")))
            if kind in (None, "text", "output_text") and isinstance(part.get("text"), str):
                texts.append(part["text"])
    return "".join(texts), thought, refusal


def _has_tool_calls(message: Mapping[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _thinks_in(text: str) -> bool:
    """Thinking within the text: what is stripped away is more than template marks."""
    stripped = len(strip_reasoning(text))
    return stripped + _MARKS_CHARS < min(len(text.strip()), MAX_DRAFT_CHARS)


def _reasoning_tokens(usage: Mapping[str, Any]) -> int:
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    return _count(details.get("reasoning_tokens", usage.get("reasoning_tokens"))) or 0


def _count(value: object) -> int | None:
    """A number of tokens that can be one: servers send floats, text and nonsense, too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 10_000_000 else None
