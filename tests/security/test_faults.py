"""What is wrong at the model's end against what the caller sees: the table of docs/security.md.

The model's ends are servers that nobody here wrote (llmock, and aimock where Node is installed);
bare sockets stand in only for what neither can do.
"""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from llmock.testing import LLMockServer

from testing import load
from testing.images import data_url, jpeg
from testing.requirements import require_program
from testing.servers.aimock_model_server import AimockModelServer, aimock, aimock_server  # noqa: F401 - fixtures
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.redis import RedisServer

PICTURE = data_url(jpeg())
GOOD = "A round blue disc in the middle of a plain white ground."
IMPATIENT = {"MODEL_TIMEOUT_S": "1", "REQUEST_TIMEOUT_S": "8", "MODEL_RETRY_WAIT_MAX_S": "2"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a caller saw of one fault."""

    status: int
    code: str
    retry_after: str | None
    took_s: float
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    fault: str
    script: Callable[[LlmockModelServer], object]
    status: int
    code: str
    retry_after_s: int | None
    """What the caller is told; within two seconds of it."""
    calls: int
    within_s: float = 2.0


def hang(model: LlmockModelServer) -> None:
    """No answer within anybody's patience."""
    model.delay(6, times=None)


LLMOCK = [
    Row("429, wait 1 s, then well", lambda m: (m.fail(429, retry_after=1), m.reply(GOOD)),
        200, "ok", None, 2),
    Row("429, wait 40 s", lambda m: m.fail(429, retry_after=40, times=None),
        503, "model_unavailable", 40, 1),
    Row("429, quota used up", lambda m: m.fail(429, times=None, code="insufficient_quota"),
        503, "model_unavailable", 1, 1),  # llmock names a second, and it is handed on
    Row("500, once, then well", lambda m: (m.fail(500), m.reply(GOOD)), 200, "ok", None, 2),
    Row("500, for good", lambda m: m.fail(500, times=None), 503, "model_unavailable", None, 3, 4),
    Row("503, wait 40 s", lambda m: m.fail(503, retry_after=40, times=None),
        503, "model_unavailable", 40, 1),
    Row("400, wrong request", lambda m: m.fail(400, times=None), 502, "model_error", None, 1),
    Row("401, wrong key", lambda m: m.fail(401, times=None), 502, "model_error", None, 1),
    Row("404, no such model", lambda m: m.fail(404, times=None), 502, "model_error", None, 1),
    Row("hang", hang, 504, "model_timeout", None, 1, 9),
    Row("content filter", lambda m: m.reply("", finish_reason="content_filter", times=None),
        422, "caption_refused", None, 1),
    Row("UNCERTAIN", lambda m: m.reply("UNCERTAIN", times=None), 422, "caption_uncertain", None, 1),
]  # fmt: skip


def remote(base_url: str) -> Altwright:
    """A server whose captions come from there."""
    return Altwright(MODEL="m", MODEL_BASE_URL=base_url, MODEL_API_KEY="sk-s3cret", **IMPATIENT)


def asked(server: Altwright) -> Seen:
    """One caption."""
    began = time.monotonic()
    answer = server.caption(PICTURE)
    took = time.monotonic() - began
    body = answer.json()
    assert "sk-s3cret" not in answer.text + "\n".join(server.log)
    return Seen(
        answer.status_code,
        body.get("code", "ok"),
        answer.headers.get("retry-after"),
        took,
        bool(body.get("truncated")),
    )


def assert_row(seen: Seen, row: Row) -> None:
    """What the table says is what the caller saw, and in time."""
    assert (seen.status, seen.code) == (row.status, row.code), row.fault
    if row.retry_after_s is None:
        assert seen.retry_after is None, row.fault
    else:
        assert row.retry_after_s - 2 <= int(seen.retry_after or 0) <= row.retry_after_s, row.fault
    assert seen.took_s < row.within_s, row.fault


@pytest.fixture(scope="module")
def patient(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """One server for all rows that leave its breaker closed."""
    with remote(llmock_server.base_url("openai")) as server:
        yield server


@pytest.mark.parametrize("row", LLMOCK, ids=lambda row: row.fault)
def test_a_fault_reads_so_to_the_caller(
    row: Row, model_server: LlmockModelServer, patient: Altwright
) -> None:
    """Status, code, Retry-After, the calls that were made, and the time it took."""
    row.script(model_server)
    if row.retry_after_s:  # then it is left alone for so long: a server of its own
        with remote(model_server.base_url) as server:
            assert_row(asked(server), row)
    else:
        assert_row(asked(patient), row)
    calls = len(model_server.calls())
    assert calls == row.calls or (row.fault == "hang" and calls <= 2)
    model_server.reset()
    model_server.reply(GOOD)
    if not row.retry_after_s:
        assert asked(patient).code == "ok", "the next request is unharmed"


AIMOCK: list[tuple[str, dict[str, object], dict[str, object], int, str]] = [
    ("connection reset", {"content": GOOD}, {"chaos": {"disconnectRate": 1}}, 503,
     "model_unavailable"),
    ("nonsense", {"content": GOOD}, {"chaos": {"malformedRate": 1}}, 502, "model_error"),
    ("content filter", {"content": " ", "finishReason": "content_filter"}, {}, 422,
     "caption_refused"),
    ("empty, finish_reason length", {"content": " ", "finishReason": "length"}, {}, 502,
     "model_error"),
    ("cut at the ceiling", {"content": "A round blue disc lies on white. It is in the",
                            "finishReason": "length"}, {}, 200, "ok"),
]  # fmt: skip


def test_faults_of_another_make_read_so_to_the_caller(
    aimock: AimockModelServer,  # noqa: F811 - the fixture
) -> None:
    """aimock says what llmock cannot."""
    with remote(aimock.base_url) as server:
        for fault, answer, options, status, code in AIMOCK:
            aimock.reset()
            aimock.respond_always(answer, **options)
            seen = asked(server)
            assert (seen.status, seen.code) == (status, code), fault
            assert seen.took_s < 5
            assert seen.truncated == (fault == "cut at the ceiling"), fault


def test_half_an_answer_reads_so_to_the_caller(tmp_path: Path) -> None:
    """socat promises 500 bytes, sends some and hangs up."""
    half = tmp_path / "half"
    half.write_bytes(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"choices": [{"mess')
    program = require_program("socat", "socat")
    with subprocess.Popen(
        [program, "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr",
         f"SYSTEM:head -c 2000 >/dev/null; cat {half}"],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        line = next(line for line in process.stderr if "listening on" in line)
        try:
            with remote(f"http://127.0.0.1:{line.rpartition(':')[2].strip()}/v1") as server:
                seen = asked(server)
        finally:
            process.terminate()
    assert (seen.status, seen.code) == (503, "model_unavailable")
    assert seen.took_s < 5


def test_the_table_in_the_documentation_is_this_one() -> None:
    """Each fault stands there with what the caller sees."""
    text = (Path(__file__).parents[2] / "docs/security.md").read_text(encoding="utf-8")
    rows = [(row.fault, row.status, row.code) for row in LLMOCK]
    rows += [(fault, status, code) for fault, _, _, status, code in AIMOCK]
    for fault, status, code in rows:
        told = "a caption" if code == "ok" else f"{status} `{code}`"
        assert any(
            line.startswith(f"| {fault} |") and told in line for line in text.splitlines()
        ), fault


def test_a_captioner_that_fails_is_left_alone_and_tried_again(
    model_server: LlmockModelServer,
) -> None:
    """Open after five failures, seen in /readyz and /metrics; half open by itself; then closed."""
    model_server.fail(500, times=None)
    with remote(model_server.base_url) as server:

        def state() -> tuple[int, str, float]:
            ready = server.get("/readyz")
            metrics = server.get("/metrics").text.splitlines()
            usable = next(line for line in metrics if line.startswith("altwright_captioner_usable"))
            return ready.status_code, ready.json()["captioners"]["m"], float(usable.split()[-1])

        assert state() == (200, "closed", 1.0)
        for _ in range(5):
            assert server.caption(PICTURE).json()["code"] == "model_unavailable"
        assert state() == (503, "open", 0.0)
        calls = len(model_server.calls())
        began = time.monotonic()
        answer = server.caption(PICTURE)
        assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
        assert time.monotonic() - began < 1
        assert 1 <= int(answer.headers["retry-after"]) <= 6
        assert len(model_server.calls()) == calls, "it was not asked"
        model_server.reset()
        model_server.reply(GOOD, times=None)
        until = time.monotonic() + 8
        while state()[1] == "open" and time.monotonic() < until:
            time.sleep(0.1)
        assert state() == (200, "half_open", 1.0)
        assert server.caption(PICTURE).status_code == 200
        assert state() == (200, "closed", 1.0)


def test_a_paused_redis_neither_stalls_nor_opens_the_gate(redis_server: RedisServer) -> None:
    """Each process counts by itself then, a metric says so, and the service paths stay quick."""
    with Altwright(RATE_LIMIT="5/minute", RATE_LIMIT_STORE=redis_server.url) as server:
        assert server.caption(PICTURE).headers["x-ratelimit-remaining"] == "4"
        redis_server.pause()
        began = time.monotonic()
        answers = [server.caption(PICTURE) for _ in range(7)]
        assert time.monotonic() - began < 3, "one request waits, not every one"
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert "altwright_rate_limit_store_up 0.0" in server.get("/metrics").text
        redis_server.resume()
        until = time.monotonic() + 8
        while "store_up 1.0" not in server.get("/metrics").text and time.monotonic() < until:
            server.caption(PICTURE)
            time.sleep(0.2)
        assert "altwright_rate_limit_store_up 1.0" in server.get("/metrics").text


def test_health_stays_quick_while_redis_is_paused(redis_server: RedisServer) -> None:
    """Many callers ask at once, all of whom would wait for the store."""

    async def run(url: str) -> tuple[load.Responses, load.Responses]:
        return await asyncio.gather(
            load.closed_loop(
                url, [load.caption_request("x:")], in_flight=40, seconds=2, pause_s=0.05
            ),
            load.closed_loop(url, [load.http_request("GET", "/healthz")], in_flight=1, seconds=2),
        )

    with Altwright(RATE_LIMIT_STORE=redis_server.url, CACHE_URL=redis_server.url) as server:
        redis_server.pause()
        asked, health = asyncio.run(run(server.url))
        redis_server.resume()
    assert set(asked.codes()) == {"image_url_forbidden"}
    assert set(health.codes()) == {"ok"}
    assert asked.percentile_ms(1) < 2000
    assert health.percentile_ms(1) < 500
