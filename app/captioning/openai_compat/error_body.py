"""What a model's server says when it does not answer: one shape for all their error bodies."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.telemetry.redaction import redact

_LOGGED_CHARS = 200
_READ_CHARS = 16_384
"""As much of an error body as is looked at."""
_ECHO_CHARS = 24
"""A stretch this long that also stands in what the caller sent is an echo, not chance."""

# Servers quote what they were sent: llama.cpp prints all messages, pydantic the refused input.
_ECHO = re.compile(r"[\s;,]*\b(?:messages\s*=|[\"']?messages[\"']\s*:|input_value\s*=|[\"']input)")
_KEY = re.compile(
    r"\b(?:sk|gsk|pk|rk|xai|hf|nvapi|tgp|r8|fw|csk|dsk|ak|key|bearer)[-_ ][A-Za-z0-9*._-]{6,}"
    r"|\bAIza[\w*-]{6,}|[A-Za-z0-9+/_=-]{48,}",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_SCRIPT = re.compile(r"<(script|style)\b.{0,8000}?</\1>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as the model's server worded it. Nothing of it reaches a caller."""

    message: str = ""
    codes: frozenset[str] = frozenset()
    """Every machine-readable word of it (code, type, status, reason), in lower case."""
    param: str = ""
    status: int | None = None
    """An HTTP status that the body itself names, as gateways do inside a 200."""
    raw: str = field(default="", repr=False)
    """The body, shortened: searched for waits, never logged."""

    @property
    def words(self) -> str:
        """Message and codes in lower case, to be searched."""
        return " ".join((self.message, *sorted(self.codes), self.param)).lower()


def read_complaint(body: bytes) -> ErrorBody:
    """The complaint in an error body of any kind: JSON, a Python repr, an event stream, HTML."""
    text = body[: _READ_CHARS * 4].decode("utf-8", "replace")[:_READ_CHARS]
    found = find_complaint(parsed(text), text)
    if found is not None:
        return found
    # What is cut, or printed by Python, still holds its codes in quotes.
    quoted = re.findall(r"[\"'](?:code|type|status)[\"']\s*:\s*[\"']([\w.-]{1,64})[\"']", text)
    plain = " ".join(_TAG.sub(" ", _SCRIPT.sub(" ", text)).split())
    return ErrorBody(plain, frozenset(word.lower() for word in quoted), raw=text)


_EVENTS_CHARS, _EVENT_LINES = 65_536, 100
"""Of an event stream: the error stands in its first event, and a stream can be made of millions."""


def parsed(text: str) -> object:
    """The JSON value that the text is, or that the first event of a stream carries; else None."""
    stripped = text.strip().removeprefix("\ufeff")
    if stripped.startswith(("data:", "event:", ":", "id:")):
        return next(
            (
                value
                for line in stripped[:_EVENTS_CHARS].splitlines()[:_EVENT_LINES]
                if line.startswith("data:")
                and (value := parsed(line.removeprefix("data:"))) is not None
            ),
            None,
        )
    try:
        whole: object = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    return whole


def find_complaint(value: object, raw: str) -> ErrorBody | None:
    """The complaint that a JSON value is, if it is one."""
    if isinstance(value, list):  # Gemini wraps its errors into a list
        return next((f for item in value[:4] if (f := find_complaint(item, raw))), None)
    if isinstance(value, str):
        return ErrorBody(value, raw=raw)
    if not isinstance(value, Mapping):
        return None
    error = value.get("error")
    if isinstance(error, str) and error:
        message = _message(value.get("message") or value.get("error_description") or error)
        return ErrorBody(message, frozenset({error.lower()[:64]}), raw=raw)
    if isinstance(error, Mapping) and error:
        return _from_mapping(error, raw)
    if isinstance(value.get("errors"), list) and value["errors"]:
        return find_complaint({"error": value["errors"][0]}, raw)
    if "message" in value and "choices" not in value:
        return _from_mapping(value, raw)
    if "detail" in value:
        return ErrorBody(_message(value["detail"]), raw=raw)
    return None


def _from_mapping(error: Mapping[str, object], raw: str) -> ErrorBody:
    words = [error.get(name) for name in ("code", "type", "status", "reason")]
    words += [inner.get("code") for inner in _mappings(error.get("innererror"))]
    words += [inner.get("reason") for inner in _mappings(error.get("details"))]
    messages = [_message(error.get("message"))]
    for inner in _mappings(error.get("metadata")):  # OpenRouter: what the provider behind it said
        messages.append(_message(inner.get("raw")))
        words.append(inner.get("error_type"))
    numbers = (error.get("code"), error.get("status"), error.get("raw_status_code"))
    return ErrorBody(
        " ".join(filter(None, messages)),
        frozenset(word.lower()[:64] for word in words if isinstance(word, str) and word),
        str(error.get("param") or "")[:200],
        next((n for n in map(_status, numbers) if n is not None), None),
        raw,
    )


def _mappings(value: object) -> list[Mapping[str, object]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items[:8] if isinstance(item, Mapping)]


def _status(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def _message(value: object) -> str:
    """Text of a message that may be a list of findings (FastAPI, Mistral), without their input."""
    if isinstance(value, str):
        return value[:_READ_CHARS]
    if isinstance(value, Mapping):
        if "msg" in value:
            place = value.get("loc")
            where = ".".join(map(str, place)) if isinstance(place, list) else ""
            return f"{where}: {value['msg']}"
        return _message(value.get("detail") or value.get("message") or "")
    if isinstance(value, list):
        return "; ".join(_message(item) for item in value[:8])
    return ""


def loggable(message: str, private: Sequence[str]) -> str:
    """The message shortened to a line, without keys, pictures, and whatever the caller sent.

    `private` holds what must not be repeated: the API key, the context, the prompt.
    """
    text = redact(_ECHO.split(message, maxsplit=1)[0])
    text = " ".join(_KEY.sub("…", text).split())
    if any(_echoes(text, secret) for secret in private if secret):
        return "(its message repeats what it was sent)"
    return text if len(text) <= _LOGGED_CHARS else text[:_LOGGED_CHARS] + "…"


def _echoes(text: str, secret: str) -> bool:
    secret = " ".join(secret.split())
    if len(secret) <= _ECHO_CHARS:
        return secret in text
    steps = range(0, len(secret) - _ECHO_CHARS + 1, _ECHO_CHARS // 2)
    return any(secret[start : start + _ECHO_CHARS] in text for start in steps)
