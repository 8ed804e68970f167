"""Parses the wait that a model server names: Retry-After, rate limit headers, error bodies."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MAX_WAIT_S = 7 * 86_400.0
"""No known rate limit lasts longer. Longer waits are cut to this."""

_MAX_CLOCK_DIFFERENCE_S = 2.0
_MAX_SEARCHED_CHARS = 16_384
"""Error bodies have a few hundred characters; a page of HTML names no wait."""

_UNIT_S = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6,
    "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86_400.0, "day": 86_400.0, "days": 86_400.0,
}  # fmt: skip

_NUMBER = r"\d{1,15}(?:\.\d{1,18})?"
_UNITS = "|".join(sorted(_UNIT_S, key=len, reverse=True))
_QUANTITY = re.compile(rf"({_NUMBER}|(?:an?|one)(?=\s))\s?({_UNITS})(?![a-zµμ])", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*(?:,|and)?\s*", re.IGNORECASE)

# Between the words and the number: "in", "after", "in about", `": "`. No full stop, so that "try
# again later. Limit 20" is no wait; no minus sign, and no number within a name: LiteLLM lists the
# deployments that cool down, `cooldown_list=['c9d48…']`, which are no nine days.
_GAP = r"[^\d.\n]{1,24}?(?=(?<![\w-])\d|(?<=\s)(?:an?|one)\s)"
_RETRY_WORDS = re.compile(
    rf"\b(?:try(?:ing)? again|retry(?:ing)?|wait(?:ing)?|come back|cool[ -]?down){_GAP}",
    re.IGNORECASE,
)
_RETRY_AT = re.compile(
    r"\b(?:try again|retry|wait|resets?|available|until)\b[^\d\n]{1,24}?"
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)",
    re.IGNORECASE,
)
_RESET_WORDS = re.compile(rf"\b(?:reset|resets|available(?: again)?){_GAP}", re.IGNORECASE)

# JSON members, also as Python prints them: "retryDelay":"36s", 'retry_after': 12, retryAfterMs.
_JSON_MEMBER = re.compile(
    r"(?:retry[_-]?(?:after|delay|in)|estimated_?(?:time|wait)|wait_?time)"
    r"(?:[_-]?(ms|milliseconds|seconds|secs|s))?\\?[\"']?\s{0,4}[:=]"
    rf"\s{{0,4}}\\?[\"']?(?=\d)(?:({_NUMBER})(?=\s{{0,4}}[\\\"',}}\]\s]|$))?",
    re.IGNORECASE,
)

# A member that names a time or a wait by the reset of a limit, in JSON that may be quoted again:
# "X-RateLimit-Reset": "1790000040000" (OpenRouter; milliseconds since 1970), "resets_at": 1790000.
_RESET_MEMBER = re.compile(
    r"(?<![a-z])(?:x-ratelimit-reset(?:-[a-z-]{1,30})?|ratelimit[_-]?reset|resets?_?(?:at|time|in)?|retry_?at"
    r"|available_?at|next_?reset)\\?[\"']\s{0,4}:\s{0,4}\\?[\"']?"
    r"(?P<value>\d{4}-\d\d-\d\d[T ][\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d)?"
    rf"|{_NUMBER}(?:ms|s|m|h)?(?![\d.]))",
    re.IGNORECASE,
)
_REMAINING_MEMBER = re.compile(
    r"x-ratelimit-remaining(?:-[a-z-]{1,30})?\\?[\"']\s{0,4}:\s{0,4}\\?[\"']?(\d{1,15})",
    re.IGNORECASE,
)

_PASSED_ON = "llm_provider-"
"""LiteLLM passes the headers of the provider behind it on with this prefix, and some of them so
alone (https://github.com/BerriAI/litellm/issues/21553)."""
_RESET_HEADER = re.compile(r"(?:[a-z-]*-)?ratelimit-(?:(?P<a>.+)-)?reset(?:-(?P<b>.+))?")
# The RateLimit header of draft-ietf-httpapi-ratelimit-headers, in its older and its newer form:
# `limit=9, remaining=0, reset=17` and `"default";r=0;t=22`. Only with nothing remaining.
_RATELIMIT_EXHAUSTED = re.compile(
    r"\b(?:remaining|r)=0\b.{0,40}?\b(?:reset|t)=(?P<reset_s>\d{1,9})\b"
)
_MIN_TIMESTAMP = 1e9
"""From here on a number is a Unix time (1e9 is September 2001), not a duration."""


def find_retry_after_s(headers: Mapping[str, str], body: str, now_s: float) -> float | None:
    """Seconds that the server asks to wait; None where it names no wait.

    Header names are in lower case; `now_s` is the wall clock in seconds since 1970. Where
    Retry-After and the body differ (one is rounded, or a proxy's), the longer wait counts. The
    x-ratelimit-reset-* headers count only where nothing else names a wait: they say when a limit
    is full again, not when this request is accepted.
    """
    passed_on = {
        name.removeprefix(_PASSED_ON): value
        for name, value in headers.items()
        if name.startswith(_PASSED_ON)
    }
    headers = {**passed_on, **headers}
    now_s = _server_time_s(headers, now_s)
    body = body[:_MAX_SEARCHED_CHARS]
    retry_times = (found["time"] for found in _RETRY_AT.finditer(body))
    waits = (
        _retry_after_header_s(headers, now_s),
        find_retry_after_in_body_s(body, now_s),
        *(_seconds_until(time, now_s) for time in retry_times),
    )
    named = [wait for wait in waits if wait]
    if named:
        return min(max(named), _MAX_WAIT_S)
    reset_s = _reset_headers_s(headers, now_s)
    if reset_s is None:
        reset_s = _reset_members_s(body, now_s)
    return None if reset_s is None else min(reset_s, _MAX_WAIT_S)


def _server_time_s(headers: Mapping[str, str], now_s: float) -> float:
    """The server's clock where it differs from ours: its times are meant by its own clock."""
    try:
        date_s = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return now_s
    # Date has whole seconds, and a cached response an old one (it then has an Age).
    return now_s if abs(date_s - now_s) <= _MAX_CLOCK_DIFFERENCE_S or "age" in headers else date_s


def parse_duration_s(text: str) -> float | None:
    """Seconds of `1.278s`, `924ms`, `2m57.984s`, `1h0m0s`, `86400 seconds`, `1 minute and 5 s`.

    Parses the start of the text; None where it does not start with a number and a unit.
    """
    total, position = None, 0
    while (quantity := _QUANTITY.match(text, position)) is not None:
        number = float(quantity[1]) if quantity[1][0].isdigit() else 1.0  # "an hour"
        total = (total or 0.0) + number * _UNIT_S[quantity[2].lower()]
        separator = _SEPARATOR.match(text, quantity.end())
        position = separator.end() if separator else quantity.end()
    return total


def find_retry_after_in_body_s(body: str, now_s: float | None = None) -> float | None:
    """Seconds of the longest wait that an error body names; None where it names no wait.

    `now_s` is the wall clock, for numbers that are times; without it they are ignored.
    """
    body = body[:_MAX_SEARCHED_CHARS]
    found = [*_durations_after(_RETRY_WORDS, body), *_json_members_s(body, now_s)]
    return _longest(found or list(_durations_after(_RESET_WORDS, body)))


def _durations_after(words: re.Pattern[str], body: str) -> Iterable[float]:
    for match in words.finditer(body):
        wait_s = parse_duration_s(body[match.end() : match.end() + 80])
        if wait_s is not None:
            yield wait_s


def _json_members_s(body: str, now_s: float | None) -> Iterable[float]:
    for match in _JSON_MEMBER.finditer(body):
        unit, number = match[1], match[2]
        if number is not None:
            if float(number) >= _MIN_TIMESTAMP:
                yield from [] if now_s is None else [_number_or_time_s(number, now_s) or 0.0]
                continue
            is_milliseconds = unit is not None and unit.lower().startswith("m")
            yield float(number) / (1000 if is_milliseconds else 1)
            continue
        wait_s = parse_duration_s(body[match.end() : match.end() + 80])
        if wait_s is not None:
            yield wait_s


def _retry_after_header_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """`retry-after-ms`, else `retry-after`: seconds, a duration or an HTTP date (RFC 9110)."""
    exact_ms = _number(headers.get("retry-after-ms", ""))
    if exact_ms is not None:
        return exact_ms / 1000
    value = headers.get("retry-after", "")
    # If the server and a proxy both sent the header, its values are joined with commas.
    numbers = [_number(part) for part in value.split(",")]
    if all(number is not None for number in numbers):
        waits = (_number_or_time_s(part, now_s) for part in value.split(","))
        return max(wait for wait in waits if wait is not None)
    return parse_duration_s(value.strip()) or _seconds_until(value, now_s)


def _reset_members_s(body: str, now_s: float) -> float | None:
    """Seconds until the limit that a body says is exhausted is reset."""
    remaining = [int(found[1]) for found in _REMAINING_MEMBER.finditer(body)]
    if remaining and min(remaining) > 0:
        return None
    values = (found["value"] for found in _RESET_MEMBER.finditer(body))
    waits = [parse_duration_s(value) or _number_or_time_s(value, now_s) for value in values]
    return _longest([wait for wait in waits if wait is not None])


def _reset_headers_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds until all exhausted limits are reset. A limit with something remaining is ignored."""
    exhausted: list[float] = []
    unknown: list[float] = []
    for name, value in headers.items():
        if name == "ratelimit" and (found := _RATELIMIT_EXHAUSTED.search(value)):
            exhausted.append(float(found["reset_s"]))
            continue
        match = _RESET_HEADER.fullmatch(name)
        if match is None:
            continue
        remaining = _number(headers.get(name.replace("reset", "remaining"), ""))
        if remaining is not None and remaining > 0:
            continue
        wait_s = parse_duration_s(value.strip()) or _number_or_time_s(value, now_s)
        if wait_s is not None:
            (unknown if remaining is None else exhausted).append(wait_s)
    if exhausted:
        return _longest(exhausted)
    return min((wait for wait in unknown if wait > 0), default=None)


def _number_or_time_s(value: str, now_s: float) -> float | None:
    number = _number(value)
    if number is None:
        return _seconds_until(value, now_s)
    if number < _MIN_TIMESTAMP:
        return number
    is_milliseconds = number >= _MIN_TIMESTAMP * 1000
    return max(0.0, (number / 1000 if is_milliseconds else number) - now_s)


def _seconds_until(value: str, now_s: float) -> float | None:
    """Seconds until an HTTP date (RFC 9110) or a timestamp (RFC 3339)."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            time = parse(value.strip())
        except (ValueError, OverflowError):
            continue
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp() - now_s)
    return None


def _number(value: str) -> float | None:
    """A finite number that is not negative."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _longest(waits: list[float]) -> float | None:
    return max((wait for wait in waits if wait > 0), default=None)
