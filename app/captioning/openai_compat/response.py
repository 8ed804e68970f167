"""Parses the body of a successful response: text, finish reason, reasoning, refusal and usage."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.captioning.openai_compat.error_body import (
    ErrorBody,
    find_error,
    parse_error_body,
    parse_json,
)
from app.validation.reasoning_tokens import MAX_DRAFT_CHARS, is_unmarked_reasoning, strip_reasoning

_MAX_TEXT_CHARS = 100_000
"""More than a model writes in some thousand tokens, reasoning included."""

_MAX_TEMPLATE_CHARS = 80
"""Chat-template tokens around a text are shorter than this, reasoning is longer."""

_TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens"})
_REFUSED = re.compile(
    r"content_?filter|safety|refusal|refused|prohibited_content|recitation|blocklist|spii|sensitive"
    r"|moderation|guardrail"
)
_REPLACEMENT_CHARACTER = "\ufffd"


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """A model's text and how it ended."""

    text: str
    truncated: bool = False
    """The token limit ended it."""
    has_reasoning: bool = False
    """Tokens were spent on reasoning, according to the usage, a field, or tokens in the text."""
    refused: bool = False
    """The model or its content filter refused."""
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def is_empty(self) -> bool:
        """There is no text besides the reasoning."""
        return not strip_reasoning(self.text)


@dataclass(frozen=True, slots=True)
class InvalidResponse:
    """A body that is neither a chat completion nor an error."""

    reason: str
    is_wrong_server: bool
    """No chat completions API responds like this (HTML, not JSON); the base URL is wrong."""


def parse_response(body: bytes) -> ModelResponse | ErrorBody | InvalidResponse:
    """The chat completion or the error in the body of a 2xx, or why it is neither.

    Of several choices the first is used. Never raises.
    """
    text, is_valid_utf8 = _decode(body)
    value = parse_json(text)
    if isinstance(value, Mapping) and isinstance(value.get("choices"), list) and value["choices"]:
        return _from_choices(value, is_valid_utf8)
    if isinstance(value, (Mapping, list)):
        error = find_error(value, text[:16_384])
        if error is not None:
            return error
        return InvalidResponse("the response is JSON without choices", is_wrong_server=True)
    if text.lstrip().startswith(("data:", "event:")):
        return parse_error_body(body)
    if not text.strip():
        return InvalidResponse("the response has no body", is_wrong_server=True)
    is_html = re.match(r"\s*<(?:!doctype|html|head|body)", text, re.IGNORECASE) is not None
    what = "HTML" if is_html else "not JSON"
    return InvalidResponse(
        f"the response is {what}: check ALTWRIGHT_MODEL_BASE_URL", is_wrong_server=True
    )


def _decode(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace"), False


def _from_choices(
    value: Mapping[str, Any], is_valid_utf8: bool
) -> ModelResponse | ErrorBody | InvalidResponse:
    choice = value["choices"][0]
    if not isinstance(choice, Mapping):
        return InvalidResponse("the first choice is not an object", is_wrong_server=True)
    if isinstance(choice.get("error"), Mapping):  # OpenRouter: the provider failed midway
        error = find_error({"error": choice["error"]}, str(choice["error"])[:16_384])
        if error is not None:
            return error
    message = choice.get("message")
    if not isinstance(message, Mapping):
        message = {"content": choice.get("text")}
    text, has_reasoning, is_refusal = _read_message(message)
    finish = str(choice.get("finish_reason") or "").lower()
    # JSON may escape a lone surrogate, which UTF-8 cannot encode. A character cut in two by the
    # token limit leaves U+FFFD at the end.
    text = text.encode("utf-8", "replace").decode("utf-8")
    if text.endswith(_REPLACEMENT_CHARACTER):
        text = text.rstrip(_REPLACEMENT_CHARACTER)
    if not is_valid_utf8 and _REPLACEMENT_CHARACTER in text:
        return InvalidResponse("the response is not valid UTF-8", is_wrong_server=False)
    if len(text) > _MAX_TEXT_CHARS:
        return InvalidResponse(f"the text has {len(text)} characters", is_wrong_server=False)
    if not text.strip() and _has_tool_calls(message):
        return InvalidResponse(
            "the model called a tool, although none was offered", is_wrong_server=False
        )
    usage = value.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return ModelResponse(
        text=text,
        truncated=finish in _TRUNCATED,
        has_reasoning=has_reasoning
        or _reasoning_tokens(usage) > 0
        or _contains_reasoning(text)
        # The wording alone is a guess: it counts only where it would explain a missing end.
        or (finish in _TRUNCATED and is_unmarked_reasoning(text)),
        refused=is_refusal or _REFUSED.search(finish) is not None,
        input_tokens=_token_count(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=_token_count(usage.get("completion_tokens", usage.get("output_tokens"))),
    )


def _read_message(message: Mapping[str, Any]) -> tuple[str, bool, bool]:
    """The text of a message, whether it has reasoning beside it, and whether it is a refusal."""
    names = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
    has_reasoning = any(bool(message.get(name)) for name in names)
    is_refusal = isinstance(message.get("refusal"), str) and bool(message["refusal"].strip())
    content = message.get("content")
    if isinstance(content, str):
        return content, has_reasoning, is_refusal
    texts: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            kind = part.get("type")
            has_reasoning |= kind in ("thinking", "reasoning", "redacted_thinking")
            is_refusal |= kind == "refusal" and bool(part.get("refusal"))
            if kind in (None, "text", "output_text") and isinstance(part.get("text"), str):
                texts.append(part["text"])
    return "".join(texts), has_reasoning, is_refusal


def _has_tool_calls(message: Mapping[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _contains_reasoning(text: str) -> bool:
    """Whether reasoning is part of the text: what is stripped is more than template tokens."""
    stripped = len(strip_reasoning(text))
    return stripped + _MAX_TEMPLATE_CHARS < min(len(text.strip()), MAX_DRAFT_CHARS)


def _reasoning_tokens(usage: Mapping[str, Any]) -> int:
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    return _token_count(details.get("reasoning_tokens", usage.get("reasoning_tokens"))) or 0


def _token_count(value: object) -> int | None:
    """A plausible number of tokens; servers also send floats, strings and negative numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 10_000_000 else None
