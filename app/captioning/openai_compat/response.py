"""Parses the body of a successful response: text, finish reason, reasoning, refusal and usage.

A streamed response is joined first. Empty `choices` are a content filter's refusal.
"""

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
from app.captioning.openai_compat.event_stream import join_stream
from app.validation.reasoning_tokens import MAX_DRAFT_CHARS, is_unmarked_reasoning, strip_reasoning

_MAX_TEXT_CHARS = 100_000
"""More than a model writes in some thousand tokens, reasoning included."""

_MAX_TEMPLATE_CHARS = 80
"""Chat-template tokens around a text are shorter than this, reasoning is longer."""

_TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens"})
_REFUSED = re.compile(
    r"content[_ -]?filter|safety|refusal|refused|recitation|block|blacklist|spii|sensitive|toxic"
    r"|moderation|guardrail|violation|prohibited|censor"
)
_SERVER_FAILED = frozenset({
    "error", "network_error", "insufficient_system_resource", "abort", "model_error",
    "engine_error", "server_error",
})  # fmt: skip
"""Finish reasons of OpenRouter, Z.ai, DeepSeek and vLLM for a response that broke off."""

_MAX_REASONING_CAPTION_CHARS = 1_200
_SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’」』)]{0,2}$")
# Words about the task: a description of an image has none of them.
_ABOUT_THE_TASK = re.compile(
    r"\b(?:I|I['’](?:ll|d|m|ve)|[Ll]et['’]?s|[Ll]et me|[Uu]ser|[Pp]rompt|[Cc]aption"
    r"|[Ii]nstructions?|[Aa]lt text|[Ss]entences?|[Cc]haracters? (?:long|max|limit)|[Mm]aybe|[Hh]mm"
    r"|[Ww]ait|[Oo]kay|[Dd]raft|(?:I|[Ww]e) (?:should|need|must))\b|用户|我们?需要|描述这"
)
_REPLACEMENT_CHARACTER = "\ufffd"
_MAX_MODEL_CHARS = 200
"""As many as a configured name may have. A cut name would be another model's."""


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
    uncounted_tokens: int = 0
    """Tokens of the total that are neither input nor output: with Gemini those of its thinking."""
    model: str | None = None
    """The model that has answered, as the server says; None where it names none."""

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
    value, is_complete = _read_value(text)
    if not is_complete:
        return InvalidResponse("the event stream has no end", is_wrong_server=False)
    if isinstance(value, Mapping):
        if value.get("input_sensitive") is True or value.get("output_sensitive") is True:
            return ModelResponse("", refused=True)
        if isinstance(value.get("choices"), list) and value["choices"]:
            return _from_choices(value, is_valid_utf8)
        if "choices" in value and not value["choices"] and find_error(value, "") is None:
            # Azure, Gemini and gateways before them send no choice for what they filtered.
            return ModelResponse("", refused=True)
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


def _read_value(text: str) -> tuple[object, bool]:
    """The JSON value, that of a joined stream, or None; and whether it is all of it.

    Most responses are one value: a megabyte is parsed only once.
    """
    if text.lstrip("\ufeff \t\r\n").startswith("{") and (value := parse_json(text)) is not None:
        return value, True
    stream = join_stream(text)
    return (parse_json(text), True) if stream is None else (stream.value, stream.is_complete)


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
    finish = str(choice.get("finish_reason") or "").lower()
    error = _find_choice_error(choice, finish)
    if error is not None:
        return error
    message = choice.get("message")
    if not isinstance(message, Mapping):
        message = {"content": choice.get("text")}
    usage = value.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    text, has_reasoning, is_refusal = _read_message(message)
    if not (text.strip() or is_refusal or _reasoning_tokens(usage)) and finish in ("stop", ""):
        # Reasoning parsers put everything there that has no </think>, also with thinking off.
        text = _caption_in_reasoning(message)
        has_reasoning = has_reasoning and not text
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
    native_finish = _native_finish_reason(choice)
    is_filtered = not text.strip() and (
        _is_filter_result(choice.get("content_filter_results"))
        or _REFUSED.search(native_finish) is not None
    )
    is_truncated = finish in _TRUNCATED or native_finish in _TRUNCATED
    counts = _TokenCounts.of(usage, has_text=bool(text.strip()))
    return ModelResponse(
        text=text,
        truncated=is_truncated,
        has_reasoning=has_reasoning
        or _reasoning_tokens(usage) > 0
        or counts.uncounted > 0
        or _contains_reasoning(text)
        # The wording alone is a guess: it counts only where it would explain a missing end.
        or (is_truncated and is_unmarked_reasoning(text)),
        refused=is_refusal or is_filtered or _REFUSED.search(finish) is not None,
        input_tokens=counts.input,
        output_tokens=counts.output,
        uncounted_tokens=counts.uncounted,
        model=_served_model(value.get("model")),
    )


def _find_choice_error(choice: Mapping[str, Any], finish: str) -> ErrorBody | None:
    """The error where the provider failed midway."""
    if isinstance(choice.get("error"), Mapping):  # OpenRouter
        return find_error({"error": choice["error"]}, str(choice["error"])[:16_384])
    if finish in _SERVER_FAILED:
        return ErrorBody(f"finish_reason {finish}", frozenset({finish}), status=502)
    return None


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


def _caption_in_reasoning(message: Mapping[str, Any]) -> str:
    """The reasoning where it is a caption and not a thought about one, else empty."""
    for name in ("reasoning_content", "reasoning"):
        text = message.get(name)
        if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT_CHARS:
            continue
        text = strip_reasoning(text)
        is_caption = (
            len(text) <= _MAX_REASONING_CAPTION_CHARS
            and "\n" not in text
            and _SENTENCE_END.search(text) is not None
            and _ABOUT_THE_TASK.search(text) is None
            and not is_unmarked_reasoning(text)
        )
        return text if is_caption or text in ("DECORATIVE", "UNCERTAIN") else ""
    return ""


def _is_filter_result(results: object) -> bool:
    """Whether one of the categories of Azure's `content_filter_results` filtered the content."""
    if not isinstance(results, Mapping):
        return False
    return any(
        isinstance(category, Mapping) and category.get("filtered") is True
        for category in results.values()
    )


def _native_finish_reason(choice: Mapping[str, Any]) -> str:
    """What a gateway's provider said, where the gateway itself says `stop`.

    OpenRouter has it in the choice, LiteLLM among the choice's `provider_specific_fields`.
    """
    fields = choice.get("provider_specific_fields")
    fields = fields if isinstance(fields, Mapping) else {}
    reason = choice.get("native_finish_reason") or fields.get("native_finish_reason")
    return str(reason or "").lower()


def _has_tool_calls(message: Mapping[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _contains_reasoning(text: str) -> bool:
    """Whether reasoning is part of the text: what is stripped is more than template tokens."""
    stripped = len(strip_reasoning(text))
    return stripped + _MAX_TEMPLATE_CHARS < min(len(text.strip()), MAX_DRAFT_CHARS)


@dataclass(frozen=True, slots=True)
class _TokenCounts:
    input: int | None
    output: int | None
    uncounted: int

    @classmethod
    def of(cls, usage: Mapping[str, Any], *, has_text: bool) -> "_TokenCounts":
        # Servers that do not count say 0, and every prompt and every text has tokens.
        sent = _token_count(usage.get("prompt_tokens", usage.get("input_tokens"))) or None
        written = _token_count(usage.get("completion_tokens", usage.get("output_tokens")))
        if not written and has_text:
            written = None
        total = _token_count(usage.get("total_tokens"))
        if sent is None or written is None or total is None or total <= sent + written:
            return cls(sent, written, 0)
        rest = total - sent - written
        # xAI counts reasoning beside the completion, and says how much it was.
        is_explained = rest == _reasoning_tokens(usage)
        return cls(sent, written + rest, 0) if is_explained else cls(sent, written, rest)


def _reasoning_tokens(usage: Mapping[str, Any]) -> int:
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    details = details if isinstance(details, Mapping) else {}
    return _token_count(details.get("reasoning_tokens", usage.get("reasoning_tokens"))) or 0


def _served_model(value: object) -> str | None:
    """A name that can be shown; None for anything else."""
    name = value.strip() if isinstance(value, str) else ""
    return name if name and len(name) <= _MAX_MODEL_CHARS and name.isprintable() else None


def _token_count(value: object) -> int | None:
    """A plausible number of tokens; servers also send floats, strings and negative numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 10_000_000 else None
