"""How long a model's server asks us to wait: headers and bodies, in all their spellings."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_S = 7 * 86_400.0
"""No limit that we know of lasts longer; a larger number is a slip of the server."""

_SEARCHED_CHARS = 16_384
"""Error bodies are a few hundred characters; a page of HTML names no wait."""

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
_STEP = re.compile(rf"({_NUMBER}|(?:an?|one)(?=\s))\s?({_UNITS})(?![a-zµμ])", re.IGNORECASE)
_BETWEEN_STEPS = re.compile(r"\s*(?:,|and)?\s*", re.IGNORECASE)

# What may stand between the words and the number: "in", "after", "in about", `": "`; no full stop,
# so that "try again later. Limit 20" names nothing.
# A number below zero is none.
_GAP = r"[^\d.\n]{1,24}?(?=(?<!-)\d|(?<=\s)(?:an?|one)\s)"
_ASKED_TO_WAIT = re.compile(
    rf"\b(?:try(?:ing)? again|retry(?:ing)?|wait(?:ing)?|come back|cool[ -]?down){_GAP}",
    re.IGNORECASE,
)
_UNTIL = re.compile(
    r"\b(?:try again|retry|wait|resets?|available|until)\b[^\d\n]{1,24}?"
    r"(?P<moment>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)",
    re.IGNORECASE,
)
_FREE_AGAIN = re.compile(rf"\b(?:reset|resets|available(?: again)?){_GAP}", re.IGNORECASE)

# JSON members, also as Python prints them: "retryDelay":"36s", 'retry_after': 12, retryAfterMs.
_MEMBER = re.compile(
    r"retry[_-]?(?:after|delay|in)(?:[_-]?(ms|milliseconds|seconds|secs|s))?[\"']?\s{0,4}[:=]"
    rf"\s{{0,4}}[\"']?(?=\d)(?:({_NUMBER})(?=\s{{0,4}}[\"',}}\]\s]|$))?",
    re.IGNORECASE,
)

_RESET = re.compile(r"(?:[a-z-]*-)?ratelimit-(?:(?P<a>.+)-)?reset(?:-(?P<b>.+))?")
# The header of the IETF's draft, in its older and its newer form: `limit=9, remaining=0, reset=17`
# and `"default";r=0;t=22`; only with nothing left.
_LEFT_AND_RESET = re.compile(r"\b(?:remaining|r)=0\b.{0,40}?\b(?:reset|t)=(?P<s>\d{1,9})\b")
_A_TIMESTAMP = 1e9
"""A number this large is a moment (1e9 is September 2001), not a number of seconds."""


def named_wait_s(headers: Mapping[str, str], body: str, now_s: float) -> float | None:
    """Seconds that the server asks us to wait; None where it names none.

    Header names are in lower case; `now_s` is the wall clock in seconds since 1970. A Retry-After
    and a wait in the body may disagree (one is rounded, one may be a proxy's): the longer counts.
    The x-ratelimit-reset-* headers count only where nothing else names a wait: they say when a
    limit is full again, not when this request fits.
    """
    waits = (
        _retry_after_s(headers, now_s),
        body_wait_s(body),
        *(_until_s(found["moment"], now_s) for found in _UNTIL.finditer(body[:_SEARCHED_CHARS])),
    )
    named = [wait for wait in waits if wait]
    if named:
        return min(max(named), _LONGEST_S)
    reset = _reset_s(headers, now_s)
    return None if reset is None else min(reset, _LONGEST_S)


def duration_s(text: str) -> float | None:
    """Seconds of `1.278s`, `924ms`, `2m57.984s`, `1h0m0s`, `86400 seconds`, `1 minute and 5 s`.

    Reads what the text begins with; None where that is no number with a unit.
    """
    total, at = None, 0
    while (step := _STEP.match(text, at)) is not None:
        number = float(step[1]) if step[1][0].isdigit() else 1.0  # "an hour"
        total = (total or 0.0) + number * _UNIT_S[step[2].lower()]
        between = _BETWEEN_STEPS.match(text, step.end())
        at = between.end() if between else step.end()
    return total


def body_wait_s(body: str) -> float | None:
    """Seconds of the longest wait that an error body names; None where it names none."""
    body = body[:_SEARCHED_CHARS]
    found = [*_after(_ASKED_TO_WAIT, body), *_members(body)] or [*_after(_FREE_AGAIN, body)]
    return _longest(found)


def _after(words: re.Pattern[str], body: str) -> Iterable[float]:
    for match in words.finditer(body):
        wait_s = duration_s(body[match.end() : match.end() + 80])
        if wait_s is not None:
            yield wait_s


def _members(body: str) -> Iterable[float]:
    for match in _MEMBER.finditer(body):
        unit, number = match[1], match[2]
        if number is not None:
            milliseconds = unit is not None and unit.lower().startswith("m")
            yield float(number) / (1000 if milliseconds else 1)
            continue
        wait_s = duration_s(body[match.end() : match.end() + 80])
        if wait_s is not None:
            yield wait_s


def _retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """`retry-after-ms`, else `retry-after`: seconds, a duration or an HTTP date."""
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    value = headers.get("retry-after", "")
    # Sent twice (by the server and by a proxy before it), a header's values stand between commas.
    plain = [_number(part) for part in value.split(",")]
    if all(part is not None for part in plain):
        return max(part for part in plain if part is not None)
    return duration_s(value.strip()) or _until_s(value, now_s)


def _reset_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Until the exhausted limits are free again. A limit with something left is no wait."""
    exhausted: list[float] = []
    unknown: list[float] = []
    for name, value in headers.items():
        if name == "ratelimit" and (structured := _LEFT_AND_RESET.search(value)) is not None:
            exhausted.append(float(structured["s"]))
            continue
        match = _RESET.fullmatch(name)
        if match is None:
            continue
        remaining = _number(headers.get(name.replace("reset", "remaining"), ""))
        if remaining is not None and remaining > 0:
            continue
        wait_s = duration_s(value.strip()) or _moment_or_seconds(value, now_s)
        if wait_s is not None:
            (unknown if remaining is None else exhausted).append(wait_s)
    if exhausted:
        return _longest(exhausted)
    return min((wait for wait in unknown if wait > 0), default=None)


def _moment_or_seconds(value: str, now_s: float) -> float | None:
    number = _number(value)
    if number is None:
        return _until_s(value, now_s)
    if number < _A_TIMESTAMP:
        return number
    moment_s = number / 1000 if number >= _A_TIMESTAMP * 1000 else number  # milliseconds since 1970
    return max(0.0, moment_s - now_s)


def _until_s(value: str, now_s: float) -> float | None:
    """Seconds until an HTTP date or an RFC 3339 moment."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value.strip())
        except (ValueError, OverflowError):
            continue
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
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
