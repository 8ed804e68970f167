"""Parses the error bodies of model servers: JSON of many shapes, Python reprs, events, HTML."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.captioning.openai_compat.bounded_json import load_json
from app.telemetry.redaction import redact

_MAX_LOGGED_CHARS = 200
_MAX_PARSED_CHARS = 16_384
"""The rest of an error body is ignored."""
_MAX_SEARCHED_CHARS = 4_096
"""Of a message, and of a body that is no JSON. Searching for words takes 5 us a character."""
_MAX_EVENTS_CHARS, _MAX_EVENT_LINES = 65_536, 100
"""Of an event stream: the error is in its first event, and a stream may have millions."""
_ECHO_CHARS = 24
"""Text of this length that is also in what was sent is an echo of it, not a coincidence."""

# Servers repeat what they were sent: llama.cpp prints all messages, pydantic the refused input.
_ECHO_START = re.compile(
    r"[\s;,]*\b(?:messages\s*=|[\"']?messages[\"']\s*:|input_value\s*=|[\"']input)"
)
_API_KEY = re.compile(
    r"\b(?:sk|gsk|pk|rk|xai|hf|nvapi|tgp|r8|fw|csk|dsk|ak|key|bearer)[-_ ][A-Za-z0-9*._-]{6,}"
    r"|\bAIza[\w*-]{6,}|[A-Za-z0-9+/_=-]{48,}",
    re.IGNORECASE,
)
_QUOTED_CODE = re.compile(
    r"\\?[\"'](?:code|type|status|reason)\\?[\"']\s{0,4}:\s{0,4}\\?[\"']([\w.:-]{1,64})\\?[\"']"
)
_HTML_TAG = re.compile(r"<[^<>]{0,2000}>")
_HTML_SCRIPT = re.compile(r"<(script|style)\b.{0,8000}?</\1>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as the model server describes it. No part of it reaches a caller."""

    message: str = ""
    codes: frozenset[str] = frozenset()
    """All machine-readable codes (code, type, status, reason), in lower case."""
    param: str = ""
    status: int | None = None
    """The HTTP status that the body contains, as gateways send it inside a 200."""
    raw: str = field(default="", repr=False)
    """The body, shortened: searched for a wait, never logged."""

    @property
    def search_text(self) -> str:
        """Message, codes and parameter in lower case."""
        message = self.message[:_MAX_SEARCHED_CHARS]
        return " ".join((message, *sorted(self.codes), self.param)).lower()


def parse_error_body(body: bytes) -> ErrorBody:
    """The error in a body of any kind; never raises."""
    text = body[: _MAX_PARSED_CHARS * 4].decode("utf-8", "replace")[:_MAX_PARSED_CHARS]
    found = find_error(parse_json(text), text)
    if found is not None:
        return found
    # JSON that was cut off, or printed by Python, still has its codes in quotes.
    text = text[:_MAX_SEARCHED_CHARS]
    plain = " ".join(_HTML_TAG.sub(" ", _HTML_SCRIPT.sub(" ", text)).split())
    return ErrorBody(plain, frozenset(_quoted_codes(text)), raw=text)


def parse_json(text: str) -> object:
    """The JSON value of the text, or of the first event of an event stream; else None."""
    stripped = text.strip().removeprefix("\ufeff")
    if stripped.startswith(("data:", "event:", ":", "id:")):
        return next(
            (
                event
                for line in stripped[:_MAX_EVENTS_CHARS].splitlines()[:_MAX_EVENT_LINES]
                if line.startswith("data:")
                and (event := parse_json(line.removeprefix("data:"))) is not None
            ),
            None,
        )
    try:
        return load_json(stripped)
    except ValueError:
        return None


def find_error(value: object, raw: str) -> ErrorBody | None:
    """The error that a JSON value describes, if it describes one."""
    if isinstance(value, list):  # Gemini sends its errors in a list
        return next((f for item in value[:4] if (f := find_error(item, raw))), None)
    if isinstance(value, str):
        return _error(value, [], raw)
    if not isinstance(value, Mapping):
        return None
    error = value.get("error")
    if isinstance(error, str) and error:
        texts = [error, *(value.get(name) for name in ("message", "error_description"))]
        message = " ".join(dict.fromkeys(text for text in map(_message_text, texts) if text))
        return _error(message, [*_codes(value), error], raw)
    if isinstance(error, Mapping) and error:
        return _from_mapping(error, raw)
    if isinstance(value.get("errors"), list) and value["errors"]:
        return find_error({"error": value["errors"][0]}, raw)
    return _find_error_without_its_name(value, raw)


def _find_error_without_its_name(value: Mapping[str, Any], raw: str) -> ErrorBody | None:
    """An error that no member named `error` holds."""
    base = value.get("base_resp")  # MiniMax; 0 is success
    if isinstance(base, Mapping) and base.get("status_code"):
        return _error(
            _message_text(base.get("status_msg")), [f"minimax:{base['status_code']}"], raw
        )
    feedback = value.get("promptFeedback", value.get("prompt_feedback"))  # Gemini
    if isinstance(feedback, Mapping):
        reason = feedback.get("blockReason", feedback.get("block_reason"))
        if isinstance(reason, str) and reason:
            return _error(f"the prompt was blocked: {reason}", ["prompt_blocked"], raw)
    if value.get("error_code"):  # Baidu
        return _error(_message_text(value.get("error_msg")), [f"baidu:{value['error_code']}"], raw)
    if "message" in value and "choices" not in value:
        return _from_mapping(value, raw)
    if "detail" in value:
        return _error(_message_text(value["detail"]), [], raw)
    return None


def _from_mapping(error: Mapping[str, object], raw: str) -> ErrorBody:
    codes = _codes(error)
    for name in ("innererror", "inner_error", "provider_specific_fields"):
        for inner in _mappings(error.get(name)):
            codes += _codes(inner)
            codes += [code for each in _mappings(inner.get("innererror")) for code in _codes(each)]
    codes += [inner.get("reason") for inner in _mappings(error.get("details"))]
    messages = [_message_text(error.get("message"))]
    for inner in _mappings(
        error.get("metadata")
    ):  # OpenRouter: the error of the provider behind it
        messages.append(_message_text(inner.get("raw")))
        codes.append(inner.get("error_type"))
    statuses = (error.get("code"), error.get("status"), error.get("raw_status_code"))
    return _error(
        " ".join(filter(None, messages)),
        codes,
        raw,
        param=str(error.get("param") or "")[:200],
        status=next((n for n in map(_http_status, statuses) if n is not None), None),
    )


def _error(
    message: str, codes: Iterable[object], raw: str, *, param: str = "", status: int | None = None
) -> ErrorBody:
    """The error body, with the codes that a gateway has quoted in the message."""
    found = {str(code).lower()[:64] for code in codes if isinstance(code, (str, int)) and code}
    found |= set(_quoted_codes(message))
    return ErrorBody(message, frozenset(found), param, status, raw[:_MAX_SEARCHED_CHARS])


def _codes(error: Mapping[str, object]) -> list[object]:
    """The machine-readable codes of an error; HTTP statuses are none."""
    codes = [error.get(name) for name in ("code", "type", "status", "reason")]
    return [code for code in codes if _http_status(code) is None]


def _quoted_codes(text: str) -> list[str]:
    return [code.lower() for code in _QUOTED_CODE.findall(text[:_MAX_PARSED_CHARS])]


def _mappings(value: object) -> list[Mapping[str, object]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items[:8] if isinstance(item, Mapping)]


def _http_status(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def _message_text(value: object) -> str:
    """The text of a message. A list of validation errors (FastAPI, Mistral) loses their input."""
    if isinstance(value, str):
        return value[:_MAX_PARSED_CHARS]
    if isinstance(value, Mapping):
        if "msg" in value:
            location = value.get("loc")
            path = ".".join(map(str, location)) if isinstance(location, list) else ""
            return f"{path}: {value['msg']}"
        names = ("detail", "message", "error")
        return _message_text(next((value[name] for name in names if value.get(name)), ""))
    if isinstance(value, list):
        return "; ".join(_message_text(item) for item in value[:8])
    return ""


def redact_for_terminal(message: str, private_texts: Sequence[str]) -> str:
    """The text as one short printable line, without keys and images, for the operator's terminal.

    A text that repeats one of `private_texts` (the API key) is dropped.
    """
    text = redact(_ECHO_START.split(message, maxsplit=1)[0])
    text = " ".join(_API_KEY.sub("…", text).split())
    text = "".join(char if char.isprintable() else "?" for char in text)
    if any(_repeats(text, secret) for secret in private_texts if secret):
        return "(removed: the message repeats the request)"
    return text if len(text) <= _MAX_LOGGED_CHARS else text[:_MAX_LOGGED_CHARS] + "…"


def _repeats(text: str, secret: str) -> bool:
    secret = " ".join(secret.split())
    if len(secret) <= _ECHO_CHARS:
        return secret in text
    steps = range(0, len(secret) - _ECHO_CHARS + 1, _ECHO_CHARS // 2)
    return any(secret[start : start + _ECHO_CHARS] in text for start in steps)
