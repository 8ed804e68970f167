"""The wait that a model server names in headers and error bodies."""

import json
import re
from pathlib import Path

import pytest

from app.captioning.openai_compat.retry_after import find_retry_after_s, parse_duration_s

NOW_S = 1_790_000_000.0


def retry_after_s(body: str = "", **headers: str) -> float | None:
    """The wait; `_` in a header's name stands for `-`."""
    return find_retry_after_s({k.replace("_", "-"): v for k, v in headers.items()}, body, NOW_S)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.278s", 1.278),
        ("924ms", 0.924),
        ("2m57.984s", 177.984),
        ("1m0.363142857s", 60.363142857),
        ("1h0m0s", 3600),
        ("20h5m3s", 72_303),
        ("86400 seconds", 86_400),
        ("1 minute and 5 seconds", 65),
        ("5 Minutes.", 300),
        ("3 days", 259_200),
        ("250µs", 0.00025),
        ("12", None),
        ("soon", None),
        ("5 monkeys", None),
    ],
)
def test_every_notation_of_a_duration_is_parsed(text: str, seconds: float | None) -> None:
    """Of Go, of Google, and English words."""
    assert parse_duration_s(text) == (pytest.approx(seconds) if seconds else None)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ("Please try again in 4.77s. Need more tokens?", 4.77),
        ("Please try again in 9m38.016s. Need more", 578.016),
        ("Please retry after 86400 seconds. Please go", 86_400),
        ("Please retry in 36.429760048s.", 36.429760048),
        ("try again in about 2 minutes", 120),
        ("You must wait at least 30 seconds before", 30),
        ("Too many requests (reset after 23s)", 23),
        ("The limit resets in 3m.", 180),
        ("Weekly limit resets in 3 days. Please try again in 5s", 5),
        ('{"error":{"details":[{"retryDelay":"36s"}]}}', 36),
        ("{'details': [{'retryDelay': '1.5s'}]}", 1.5),
        ('{"retry_after": 12.5}', 12.5),
        ('{"retry_after_ms": 1500, "x": 1}', 1.5),
        ('{"retryAfterSeconds": "7"}', 7),
        ("Please try again later. Limit: 20 / min", None),
        ("Limit: 20 / min. Used 20. Please slow down", None),
        ("retry shortly", None),
        ("try again at 2026-01-01 10:00", None),
        ('{"retryDelay":"0s"}', None),
        ("", None),
    ],
)
def test_a_wait_in_an_error_body_is_found(body: str, seconds: float | None) -> None:
    """Only after words that say so."""
    assert retry_after_s(body) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2"}, 2),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "30s"}, 30),
        ({"retry_after_ms": "1278", "retry_after": "2"}, 1.278),
        ({"retry_after": "Mon, 21 Sep 2026 14:13:30 GMT"}, 10),
        ({"retry_after": "Mon, 21 Sep 2020 14:13:30 GMT"}, None),
        ({"retry_after": "0"}, None),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "99999999999"}, 604_800),
        ({"retry_after": "soon"}, None),
        ({"x_ratelimit_reset_tokens": "7.66s", "x_ratelimit_remaining_tokens": "0"}, 7.66),
        ({"x_ratelimit_reset_requests": "2m59.56s", "x_ratelimit_remaining_requests": "9"}, None),
        ({"x_ratelimit_reset_requests": "12ms"}, 0.012),
        ({"x_ratelimit_reset": "1790000005"}, 5),
        ({"x_ratelimit_reset": "1790000005000", "x_ratelimit_remaining": "0"}, 5),
        (
            {
                "anthropic_ratelimit_tokens_reset": "2026-09-21T14:13:40Z",
                "anthropic_ratelimit_tokens_remaining": "0",
            },
            20,
        ),
        (
            {
                "x_ratelimit_reset_tokens": "6m0s",
                "x_ratelimit_remaining_tokens": "0",
                "retry_after": "1",
            },
            1,
        ),
        (
            {
                "x_ratelimit_reset_requests": "1h",
                "x_ratelimit_remaining_requests": "14370",
                "x_ratelimit_reset_tokens": "3s",
                "x_ratelimit_remaining_tokens": "0",
            },
            3,
        ),
    ],
)
def test_a_wait_in_headers_is_found(headers: dict[str, str], seconds: float | None) -> None:
    """A limit with something remaining is no wait; Retry-After goes before reset headers."""
    assert retry_after_s(**headers) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        # OpenRouter: the headers of a limit, quoted in the body; milliseconds since 1970
        ('{"metadata":{"headers":{"X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1790000040000"}}}',
         40),
        ('{"headers":{"X-RateLimit-Remaining":"3","X-RateLimit-Reset":"1790000040000"}}', None),
        ('{"raw":"{\\"x-ratelimit-reset\\": \\"1790000040\\"}"}', 40),
        ('{"error":{"resets_at":1790000040}}', 40),
        ('{"error":{"resets_at":1790000040.5}}', 40.5),
        ('{"error":{"reset_at":"2026-09-21T14:13:50Z"}}', 30),
        ('{"reset_in": 40}', 40),
        ('{"reset":"40s"}', 40),
        ('{"retry_at":1790000040000}', 40),
        ('{"retry_after":1790000040}', 40),
        ('{"retryAfterMs":1790000040000}', 40),
        ('{"error":"Model m is currently loading","estimated_time":20.0}', 20),
        ("{'error': 'Model m is currently loading', 'estimated_time': 44.49033436}", 44.49033436),
        ('{"estimated_time_seconds":"7"}', 7),
        ('{"resets_at":1789999990}', None),
        ('{"preset": 40, "resettable": "40"}', None),
    ],
)  # fmt: skip
def test_a_time_or_an_estimate_in_a_body_is_a_wait(body: str, seconds: float | None) -> None:
    """Unix times in seconds and milliseconds, timestamps, and durations, by a member's name."""
    assert retry_after_s(body) == (pytest.approx(seconds) if seconds else None)


@pytest.mark.parametrize(
    ("date", "age", "seconds"),
    [
        ("Mon, 21 Sep 2026 14:13:20 GMT", None, 40),  # the same clock
        ("Mon, 21 Sep 2026 14:13:19 GMT", None, 40),  # it has whole seconds, and the way took some
        ("Mon, 21 Sep 2026 14:03:20 GMT", None, 640),  # ten minutes behind
        ("Mon, 21 Sep 2026 14:13:50 GMT", None, 10),  # half a minute ahead
        ("Mon, 21 Sep 2026 14:03:20 GMT", "600", 40),  # from a cache
        ("yesterday", None, 40),
    ],
)
def test_an_http_date_is_meant_by_the_servers_clock(
    date: str, age: str | None, seconds: float
) -> None:
    """To the second: Date says what the server's clock shows."""
    headers = {"date": date, "retry_after": "Mon, 21 Sep 2026 14:14:00 GMT"}
    headers |= {"age": age} if age else {}
    assert retry_after_s(**headers) == pytest.approx(seconds)


def test_the_longer_wait_of_header_and_body_counts() -> None:
    """One of them is rounded, or of a proxy."""
    assert retry_after_s("Please try again in 9m38.016s", retry_after="1") == pytest.approx(578.016)
    assert retry_after_s("Please try again in 1.278s", retry_after="2") == 2


def test_a_hostile_body_does_not_make_the_patterns_backtrack() -> None:
    """A megabyte each; this would take minutes."""
    for body in (
        "retry " * 200_000,
        "1s" * 500_000,
        "retry after " + "9" * 500_000,
        "wait 1h" * 9**5,
    ):
        retry_after_s(body)


def test_every_wait_in_real_error_bodies_is_found(corpora: Path) -> None:
    """Those that say "again in" or "after" with a number, and no others."""
    for line in (corpora / "model_errors.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        body = row["body"] or ""
        names_wait = re.search(r"(?:again in|retry after|retry in) \d", body) is not None
        found = find_retry_after_s(row["headers"] or {}, body, NOW_S)
        assert (found is not None) == (names_wait or row["kind"] == "headers"), row


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ("Too many requests; come back in 10 seconds", 10),
        ("Try again in about an hour", 3600),
        ("retry in a minute", 60),
        ("A cooldown of 30 seconds applies.", 30),
        ("retry as soon as you can", None),
        ("try again in a few minutes", None),
        ("try again in -5s", None),
        ("try again in 99999999999999999999 seconds", None),
        ("Limit resets at 2026-09-21T14:13:50Z.", 30),
        ("try again at 2026-09-21T14:13:00Z", None),
    ],
)
def test_words_and_times_in_a_body_are_parsed(body: str, seconds: float | None) -> None:
    """Numbers in words, timestamps, and texts that name no wait."""
    assert retry_after_s(body) == (pytest.approx(seconds) if seconds else None)


def test_the_longer_wait_of_a_header_that_was_sent_twice_counts() -> None:
    """HTTP joins the values of a header with commas."""
    assert retry_after_s(retry_after="5, 10") == 10
    assert retry_after_s(retry_after="5, soon") is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("limit=100, remaining=0, reset=17", 17),
        ('"default";r=0;t=22', 22),
        ("limit=100, remaining=3, reset=17", None),
    ],
)
def test_the_ratelimit_header_of_the_ietf_draft_is_parsed_where_nothing_remains(
    value: str, seconds: float | None
) -> None:
    """Its older and its newer form."""
    assert retry_after_s(ratelimit=value) == seconds


def test_the_wait_of_the_provider_behind_litellm_is_found() -> None:
    """Its own headers count first where both are there."""
    headers = {"llm_provider-retry-after": "7"}
    assert find_retry_after_s(headers, "", NOW_S) == 7
    assert find_retry_after_s({**headers, "retry-after": "3"}, "", NOW_S) == 3
    limits = {
        "llm_provider-x-ratelimit-reset-tokens": "12s",
        "llm_provider-x-ratelimit-remaining-tokens": "0",
    }
    assert find_retry_after_s(limits, "", NOW_S) == 12
