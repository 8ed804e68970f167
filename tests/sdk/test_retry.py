"""What fails is tried again where that may help, after exactly as long as the server asked."""

import email.utils
import math
import threading
import time

import altwright as sdk
import pytest
from altwright.retry import FIRST_WAIT_S, LONGEST_WAIT_S, RetryState, backoff_s, parse_retry_after

from testing.images import data_url, jpeg
from testing.servers.fault_proxy import FaultProxy, drip, hang, problem, raw, reset, truncate
from tests.sdk.both_clients import MakeClient

URL = data_url(jpeg((40, 30)))


@pytest.mark.parametrize(
    "deed",
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
def test_a_failure_that_may_pass_is_tried_again(
    proxy: FaultProxy, make_client: MakeClient, deed: object
) -> None:
    proxy.then(deed)
    assert make_client(base_url=proxy.url).caption(URL).caption
    assert len(proxy.requests) == 2
    assert proxy.gaps_s()[0] >= FIRST_WAIT_S * 0.75 - 0.01
    first, second = proxy.requests
    assert first.body == second.body
    # One call is one request for whoever reads the server's log.
    assert first.headers["x-request-id"] == second.headers["x-request-id"]


@pytest.mark.parametrize(
    "deed",
    [
        problem(401, "unauthorized"),
        problem(404, "not_found"),
        problem(413, "request_too_large"),
        problem(422, "caption_uncertain"),
        problem(409, "whatever_comes_next"),
    ],
)
def test_a_failure_that_will_not_pass_is_told_at_once(
    proxy: FaultProxy, make_client: MakeClient, deed: object
) -> None:
    proxy.then(deed)
    with pytest.raises(sdk.Problem):
        make_client(base_url=proxy.url, max_retries=5).caption(URL)
    assert len(proxy.requests) == 1


def test_the_tries_are_counted(proxy: FaultProxy, make_client: MakeClient) -> None:
    proxy.always(problem(503, "overloaded"))
    with pytest.raises(sdk.Overloaded):
        make_client(base_url=proxy.url, max_retries=2).caption(URL)
    assert len(proxy.requests) == 3
    first, second = proxy.gaps_s()
    assert second > first * 1.3  # it doubles, less a quarter of jitter


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "model_unavailable")])
def test_retry_after_is_waited_out_to_the_end(
    proxy: FaultProxy, make_client: MakeClient, status: int, code: str
) -> None:
    proxy.then(problem(status, code, retry_after="2"))
    make_client(base_url=proxy.url).caption(URL)
    [gap_s] = proxy.gaps_s()
    assert 2.0 - 0.005 <= gap_s < 4.0


def test_retry_after_may_be_a_date(proxy: FaultProxy, make_client: MakeClient) -> None:
    until = math.ceil(time.time()) + 3
    proxy.then(problem(503, "overloaded", retry_after=email.utils.formatdate(until, usegmt=True)))
    make_client(base_url=proxy.url).caption(URL)
    came_at = proxy.requests[1].arrived_at_s + (time.time() - time.monotonic())
    assert came_at >= until - 0.05


def test_a_wait_that_outlives_the_timeout_is_not_begun(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    proxy.always(problem(429, "rate_limited", retry_after="60"))
    began_s = time.monotonic()
    with pytest.raises(sdk.RateLimited) as told:
        make_client(base_url=proxy.url, timeout=30).caption(URL)
    assert time.monotonic() - began_s < 5
    assert told.value.retry_after == 60
    assert len(proxy.requests) == 1


def test_an_answer_that_does_not_come_ends_at_the_timeout(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    proxy.always(hang)
    began_s = time.monotonic()
    with pytest.raises(sdk.TimedOut, match=r"within 0\.5 seconds"):
        make_client(base_url=proxy.url, timeout=0.5).caption(URL)
    assert 0.4 < time.monotonic() - began_s < 3


def test_an_answer_that_drips_ends_at_the_timeout(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    # Each byte comes in time, all of them would take a minute.
    proxy.always(drip)
    began_s = time.monotonic()
    with pytest.raises(sdk.TimedOut):
        make_client(base_url=proxy.url, timeout=1).caption(URL)
    assert time.monotonic() - began_s < 4


def test_a_call_that_is_retried_does_not_hold_the_others(proxy: FaultProxy) -> None:
    proxy.then(problem(503, "overloaded", retry_after="3"))
    with sdk.Altwright(base_url=proxy.url) as client:
        waiting = threading.Thread(target=client.styles)
        waiting.start()
        while not proxy.requests:
            time.sleep(0.01)
        began_s = time.monotonic()
        client.styles()
        assert time.monotonic() - began_s < 2.5
        waiting.join(30)


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
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, 1000.0) == seconds


def test_waits_double_up_to_a_bound_and_differ() -> None:
    longest = [backoff_s(failures, 0.0) for failures in (1, 2, 3, 4, 5, 1000)]
    assert longest == [0.5, 1.0, 2.0, 4.0, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert backoff_s(1, 1.0) == pytest.approx(0.375)


def test_no_deadline_waits_as_long_as_asked() -> None:
    retries = RetryState(max_retries=1, timeout_s=None, started_s=0.0)
    error = sdk.RateLimited("no", status=429, retry_after=86_400)
    assert retries.plan_retry(error, 5.0, 0.5) == 86_400
    assert retries.plan_retry(error, 90_000.0, 0.5) is None
