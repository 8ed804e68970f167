"""Failures of the model server and what the caller sees: the table of docs/security.md.

The model servers are third-party mocks (llmock, and aimock where Node is installed). Bare sockets
are used only for what neither can do.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from llmock.testing import LLMockServer

from testing import load
from testing.images import data_url, jpeg
from testing.servers.aimock_model_server import AimockModelServer, aimock, aimock_server  # noqa: F401 - fixtures
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import raw_model_server
from testing.servers.redis import RedisServer

IMAGE_URL = data_url(jpeg())
VALID_CAPTION = "A round blue disc in the middle of a plain white ground."
SHORT_TIMEOUTS = {"MODEL_TIMEOUT_S": "1", "REQUEST_TIMEOUT_S": "8", "MODEL_RETRY_WAIT_MAX_S": "2"}


MAX_RESPONSE_S = 20.0
"""Half of the Retry-After of 40 s that no request may wait for."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the caller got."""

    status: int
    code: str
    retry_after: str | None
    took_s: float
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    failure: str
    script: Callable[[LlmockModelServer], object]
    status: int
    code: str
    retry_after_s: int | None
    """The caller gets at most this, and at most ten seconds less."""
    calls: int


def hang(model: LlmockModelServer) -> None:
    """Respond after every timeout."""
    model.delay(6, times=None)


LLMOCK = [
    Row("429, wait 1 s, then well",
        lambda m: (m.fail(429, retry_after=1), m.reply(VALID_CAPTION)),
        200, "ok", None, 2),
    Row("429, wait 40 s", lambda m: m.fail(429, retry_after=40, times=None),
        503, "model_unavailable", 40, 1),
    Row("429, quota used up", lambda m: m.fail(429, times=None, code="insufficient_quota"),
        503, "model_unavailable", 1, 1),  # llmock sends a Retry-After of one second
    Row("500, once, then well", lambda m: (m.fail(500), m.reply(VALID_CAPTION)),
        200, "ok", None, 2),
    Row("500, for good", lambda m: m.fail(500, times=None), 503, "model_unavailable", None, 3),
    Row("503, wait 40 s", lambda m: m.fail(503, retry_after=40, times=None),
        503, "model_unavailable", 40, 1),
    Row("400, wrong request", lambda m: m.fail(400, times=None), 502, "model_error", None, 1),
    Row("401, wrong key", lambda m: m.fail(401, times=None), 502, "model_error", None, 1),
    Row("404, no such model", lambda m: m.fail(404, times=None), 502, "model_error", None, 1),
    Row("hang", hang, 504, "model_timeout", None, 1),
    Row("content filter", lambda m: m.reply("", finish_reason="content_filter", times=None),
        422, "caption_refused", None, 1),
    Row("UNCERTAIN", lambda m: m.reply("UNCERTAIN", times=None), 422, "caption_uncertain", None, 1),
]  # fmt: skip


def server_with_model(base_url: str) -> Altwright:
    """A server that uses this model server."""
    return Altwright(
        MODEL="m", MODEL_BASE_URL=base_url, MODEL_API_KEY="sk-s3cret", **SHORT_TIMEOUTS
    )


def request_caption(server: Altwright) -> Result:
    started_at_s = time.monotonic()
    response = server.caption(IMAGE_URL)
    took_s = time.monotonic() - started_at_s
    body = response.json()
    assert "sk-s3cret" not in response.text + "\n".join(server.log)
    return Result(
        response.status_code,
        body.get("code", "ok"),
        response.headers.get("retry-after"),
        took_s,
        bool(body.get("truncated")),
    )


def assert_matches(result: Result, row: Row) -> None:
    assert (result.status, result.code) == (row.status, row.code), row.failure
    if row.retry_after_s is None:
        assert result.retry_after is None, row.failure
    else:
        retry_after_s = int(result.retry_after or 0)
        assert row.retry_after_s - 10 <= retry_after_s <= row.retry_after_s, row.failure
    assert result.took_s < MAX_RESPONSE_S, row.failure


@pytest.fixture(scope="module")
def server(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """One server for all rows that leave its circuit breaker closed."""
    with server_with_model(llmock_server.base_url("openai")) as server:
        yield server


@pytest.mark.parametrize("row", LLMOCK, ids=lambda row: row.failure)
@pytest.mark.slow
def test_each_failure_has_its_response(
    row: Row, model_server: LlmockModelServer, server: Altwright
) -> None:
    """Status, code, Retry-After and the number of calls."""
    row.script(model_server)
    if row.retry_after_s:  # a server of its own, because the circuit stays open for so long
        with server_with_model(model_server.base_url) as server:
            assert_matches(request_caption(server), row)
    else:
        assert_matches(request_caption(server), row)
    calls = len(model_server.calls())
    assert calls == row.calls or (row.failure == "hang" and calls <= 2)
    model_server.reset()
    model_server.reply(VALID_CAPTION)
    if not row.retry_after_s:
        assert request_caption(server).code == "ok", "the next request succeeds"


AIMOCK: list[tuple[str, dict[str, object], dict[str, object], int, str]] = [
    ("connection reset", {"content": VALID_CAPTION}, {"chaos": {"disconnectRate": 1}}, 503,
     "model_unavailable"),
    ("nonsense", {"content": VALID_CAPTION}, {"chaos": {"malformedRate": 1}}, 502, "model_error"),
    ("content filter", {"content": " ", "finishReason": "content_filter"}, {}, 422,
     "caption_refused"),
    ("empty, finish_reason length", {"content": " ", "finishReason": "length"}, {}, 502,
     "model_error"),
    ("cut at the ceiling", {"content": "A round blue disc lies on white. It is in the",
                            "finishReason": "length"}, {}, 200, "ok"),
]  # fmt: skip


@pytest.mark.slow
def test_each_failure_of_a_second_mock_server_has_its_response(
    aimock: AimockModelServer,  # noqa: F811 - the fixture
) -> None:
    """aimock sends what llmock cannot."""
    with server_with_model(aimock.base_url) as server:
        for failure, response, options, status, code in AIMOCK:
            aimock.reset()
            aimock.respond_always(response, **options)
            result = request_caption(server)
            assert (result.status, result.code) == (status, code), failure
            assert result.took_s < MAX_RESPONSE_S
            assert result.truncated == (failure == "cut at the ceiling"), failure


async def test_a_response_that_breaks_off_is_model_unavailable() -> None:
    async with raw_model_server() as model:
        model.break_off()
        server = await asyncio.to_thread(server_with_model(model.base_url).__enter__)
        try:
            result = await asyncio.to_thread(request_caption, server)
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)
    assert (result.status, result.code) == (503, "model_unavailable")


def test_the_table_in_the_documentation_lists_every_failure() -> None:
    text = (Path(__file__).parents[2] / "docs/security.md").read_text(encoding="utf-8")
    rows = [(row.failure, row.status, row.code) for row in LLMOCK]
    rows += [(failure, status, code) for failure, _, _, status, code in AIMOCK]
    for failure, status, code in rows:
        expected = "a caption" if code == "ok" else f"{status} `{code}`"
        assert any(
            line.startswith(f"| {failure} |") and expected in line for line in text.splitlines()
        ), failure


@pytest.mark.slow
def test_the_circuit_breaker_opens_and_closes_again(model_server: LlmockModelServer) -> None:
    """Open after five failures, shown in /readyz and /metrics; half open after a while; closed."""
    model_server.fail(500, times=None)
    with server_with_model(model_server.base_url) as server:

        def state() -> tuple[int, str, float]:
            ready = server.get("/readyz")
            metrics = server.get("/metrics").text.splitlines()
            usable = next(line for line in metrics if line.startswith("altwright_captioner_usable"))
            return ready.status_code, ready.json()["captioners"]["m"], float(usable.split()[-1])

        assert state() == (200, "closed", 1.0)
        for _ in range(5):
            assert server.caption(IMAGE_URL).json()["code"] == "model_unavailable"
        assert state() == (503, "open", 0.0)
        calls = len(model_server.calls())
        response = server.caption(IMAGE_URL)
        assert (response.status_code, response.json()["code"]) == (503, "model_unavailable")
        assert 1 <= int(response.headers["retry-after"]) <= 6
        assert len(model_server.calls()) == calls, "the model was not called"
        model_server.reset()
        model_server.reply(VALID_CAPTION, times=None)
        wait_until(lambda: state()[1] != "open")
        assert state() == (200, "half_open", 0.0), "nobody knows yet whether it is back"
        assert server.caption(IMAGE_URL).status_code == 200
        assert state() == (200, "closed", 1.0)


@pytest.mark.slow
@pytest.mark.measures
def test_a_paused_redis_delays_one_request_and_the_limit_holds(redis_server: RedisServer) -> None:
    """Each process then counts on its own, and a metric says so."""
    with Altwright(RATE_LIMIT="5/minute", RATE_LIMIT_STORE=redis_server.url) as server:
        assert server.caption(IMAGE_URL).headers["x-ratelimit-remaining"] == "4"
        redis_server.pause()
        results = [request_caption(server) for _ in range(7)]
        assert [result.status for result in results] == [200] * 5 + [429] * 2
        others_s = sum(result.took_s for result in results[1:])
        assert others_s < 3 * results[0].took_s, "one request waits for Redis, not every one"
        assert "altwright_rate_limit_store_up 0.0" in server.get("/metrics").text
        redis_server.resume()

        def is_store_up() -> bool:
            server.caption(IMAGE_URL)
            return "altwright_rate_limit_store_up 1.0" in server.get("/metrics").text

        wait_until(is_store_up)


def wait_until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.2)


@pytest.mark.measures
def test_health_stays_quick_while_redis_is_paused(redis_server: RedisServer) -> None:
    """Many callers at once, each of which would wait for the store."""

    async def run(url: str) -> tuple[load.Responses, load.Responses]:
        return await asyncio.gather(
            load.closed_loop(
                url, [load.caption_request("x:")], in_flight=40, seconds=2, pause_s=0.05
            ),
            load.closed_loop(url, [load.http_request("GET", "/healthz")], in_flight=1, seconds=2),
        )

    with Altwright(RATE_LIMIT_STORE=redis_server.url, CACHE_URL=redis_server.url) as server:
        redis_server.pause()
        captions, health = asyncio.run(run(server.url))
        redis_server.resume()
    assert set(captions.codes()) == {"image_url_forbidden"}
    assert set(health.codes()) == {"ok"}
    # The first callers wait for the store's timeout, health checks do not.
    assert health.percentile_ms(1) < captions.percentile_ms(1)
    assert health.percentile_ms(0.5) < captions.percentile_ms(0.5)
