"""Which failures are retried, and after which wait."""

import email.utils
import math
import threading
import time

import altwright as sdk
import pytest
from altwright.retry import FIRST_WAIT_S, LONGEST_WAIT_S, RetryState, backoff_s, parse_retry_after

from testing.images import data_url, jpeg
from testing.servers.fault_proxy import FaultProxy, drip, hang, problem, raw, reset, truncate
from tests.sdk.client_under_test import MakeClient

URL = data_url(jpeg((40, 30)))


@pytest.fixture
def waits_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between the tries of a call, which take no time."""
    recorded: list[float] = []

    async def sleep(seconds: float) -> None:
        recorded.append(seconds)

    monkeypatch.setattr("altwright._sync.client.sleep", recorded.append)
    monkeypatch.setattr("altwright._async.client.sleep", sleep)
    return recorded


@pytest.mark.parametrize(
    "fault",
    [
        problem(429, "rate_limited"),
        problem(408, "request_timeout"),
        problem(500, "internal"),
        problem(502, "model_error"),
        problem(503, "overloaded"),
        problem(504, "model_timeout"),
        reset,
        truncate,
        raw(b"HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"),
        raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"capti', then_close=True),
    ],
)
def test_a_temporary_failure_is_retried(
    proxy: FaultProxy, make_client: MakeClient, waits_s: list[float], fault: object
) -> None:
    proxy.then(fault)
    assert make_client(base_url=proxy.url).caption(URL).caption
    [wait_s] = waits_s
    assert 0.75 * FIRST_WAIT_S <= wait_s <= FIRST_WAIT_S
    first, second = proxy.requests
    assert first.body == second.body
    assert first.headers["x-request-id"] == second.headers["x-request-id"]


@pytest.mark.parametrize(
    "fault",
    [
        problem(401, "unauthorized"),
        problem(404, "not_found"),
        problem(413, "request_too_large"),
        problem(422, "caption_uncertain"),
        problem(409, "unknown_code"),
    ],
)
def test_a_permanent_failure_is_raised_at_once(
    proxy: FaultProxy, make_client: MakeClient, fault: object
) -> None:
    proxy.then(fault)
    with pytest.raises(sdk.Problem):
        make_client(base_url=proxy.url, max_retries=5).caption(URL)
    assert len(proxy.requests) == 1


def test_a_call_is_retried_max_retries_times(
    proxy: FaultProxy, make_client: MakeClient, waits_s: list[float]
) -> None:
    proxy.always(problem(503, "overloaded"))
    with pytest.raises(sdk.Overloaded):
        make_client(base_url=proxy.url, max_retries=2).caption(URL)
    assert len(proxy.requests) == 3
    first, second = waits_s
    assert second > first * 1.3  # it doubles, less a quarter of jitter


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "model_unavailable")])
def test_retry_after_is_waited_for_exactly(
    proxy: FaultProxy, make_client: MakeClient, waits_s: list[float], status: int, code: str
) -> None:
    proxy.then(problem(status, code, retry_after="2"))
    make_client(base_url=proxy.url).caption(URL)
    assert waits_s == [2.0]


def test_waits_take_the_time_that_they_say(proxy: FaultProxy, make_client: MakeClient) -> None:
    """The other tests replace the waits; this one is the proof that they are real."""
    proxy.then(problem(429, "rate_limited", retry_after="1"))
    make_client(base_url=proxy.url).caption(URL)
    [gap_s] = proxy.gaps_s()
    assert gap_s >= 1.0 - 0.005


def test_retry_after_may_be_a_date(
    proxy: FaultProxy, make_client: MakeClient, waits_s: list[float]
) -> None:
    until_unix_s = math.ceil(time.time()) + 20
    date = email.utils.formatdate(until_unix_s, usegmt=True)
    proxy.then(problem(503, "overloaded", retry_after=date))
    called_unix_s = time.time()
    make_client(base_url=proxy.url).caption(URL)
    [wait_s] = waits_s
    assert until_unix_s - time.time() <= wait_s <= until_unix_s - called_unix_s


def test_a_wait_that_would_end_after_the_timeout_is_not_started(
    proxy: FaultProxy, make_client: MakeClient, waits_s: list[float]
) -> None:
    proxy.always(problem(429, "rate_limited", retry_after="60"))
    with pytest.raises(sdk.RateLimited) as caught:
        make_client(base_url=proxy.url, timeout=30).caption(URL)
    assert caught.value.retry_after == 60
    assert waits_s == []
    assert len(proxy.requests) == 1


def test_a_call_without_a_response_ends_at_the_timeout(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    proxy.always(hang)
    started_s = time.monotonic()
    with pytest.raises(sdk.TimedOut, match=r"within 0\.5 seconds"):
        make_client(base_url=proxy.url, timeout=0.5).caption(URL)
    assert time.monotonic() - started_s > 0.4


def test_a_response_that_arrives_byte_by_byte_ends_at_the_timeout(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    # Each byte arrives in time; all of them would take a minute.
    proxy.always(drip)
    started_s = time.monotonic()
    with pytest.raises(sdk.TimedOut):
        make_client(base_url=proxy.url, timeout=1).caption(URL)
    assert time.monotonic() - started_s < 60 / 4


def test_a_call_that_waits_for_its_retry_does_not_block_other_threads(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_waiting, may_go_on = threading.Event(), threading.Event()

    def sleep(_seconds: float) -> None:
        is_waiting.set()
        may_go_on.wait(60)

    monkeypatch.setattr("altwright._sync.client.sleep", sleep)
    proxy.then(problem(503, "overloaded"))
    with sdk.Altwright(base_url=proxy.url) as client:
        other = threading.Thread(target=client.styles)
        other.start()
        assert is_waiting.wait(60)
        client.styles()
        assert other.is_alive()
        may_go_on.set()
        other.join(60)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("Thu, 01 Jan 1970 00:16:45 GMT", 5.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_a_retry_after_header_is_parsed(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, 1000.0) == seconds


def test_waits_double_up_to_a_limit_and_have_jitter() -> None:
    longest = [backoff_s(failures, 0.0) for failures in (1, 2, 3, 4, 5, 1000)]
    assert longest == [0.5, 1.0, 2.0, 4.0, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert backoff_s(1, 1.0) == pytest.approx(0.375)


def test_without_a_timeout_any_retry_after_is_waited_for() -> None:
    retries = RetryState(max_retries=1, timeout_s=None, started_s=0.0)
    error = sdk.RateLimited("no", status=429, retry_after=86_400)
    assert retries.plan_retry(error, 5.0, 0.5) == 86_400
    assert retries.plan_retry(error, 90_000.0, 0.5) is None
