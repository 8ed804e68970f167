"""Each trouble of a model's server, over real sockets, against what the caller sees."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.captioning.errors import CaptionRefused, ModelError, ModelTimeout, ModelUnavailable
from app.captioning.openai_compat.error_classifier import AskedToWait, RequestFault
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft
from testing.servers.aimock_model_server import AimockModelServer
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import completion, raw_model_server
from tests.captioning.conftest import Remotes
from tests.captioning.draft_requests import ask, picture


async def fails(remotes: Remotes, base_url: str, seconds: float = 30.0) -> CaptionError:
    """The error of one draft."""
    with pytest.raises(CaptionError) as caught:
        await remotes(base_url).draft(picture(), ask(), Deadline.after(seconds))
    return caught.value


async def draft(remotes: Remotes, base_url: str, seconds: float = 30.0) -> Draft:
    """One draft."""
    return await remotes(base_url).draft(picture(), ask(), Deadline.after(seconds))


async def test_a_short_wait_is_waited_out(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """For real, and never less than was asked."""
    model_server.fail(429, retry_after=0.2, times=2).reply("A blue disc.")
    tried = remotes(model_server.base_url, sleep=asyncio.sleep)
    found = await tried.draft(picture(), ask(), Deadline.after(5))
    assert found.text == "A blue disc."
    first, second, third = (call.started_at_s for call in model_server.calls())
    assert min(second - first, third - second) >= 0.2
    model_server.llmock.assert_resilient()


async def test_a_long_wait_is_the_callers_at_once(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """One call, and Retry-After is the server's own."""
    model_server.fail(429, retry_after=11, times=None)
    error = await fails(remotes, model_server.base_url)
    assert isinstance(error, AskedToWait)
    assert error.retry_after_s == 11
    assert (len(model_server.calls()), remotes.naps.s) == (1, [])


async def test_a_wait_past_the_deadline_is_not_begun(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """Eight seconds are short, but not for a request with three left."""
    model_server.fail(429, retry_after=8, times=None)
    error = await fails(remotes, model_server.base_url, seconds=3)
    assert isinstance(error, ModelUnavailable)
    assert (error.retry_after_s, len(model_server.calls())) == (8, 1)


async def test_a_limit_that_names_short_waits_for_ever_ends(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """Four waits, then the caller's turn."""
    model_server.fail(429, retry_after=0.05, times=None)
    error = await fails(remotes, model_server.base_url)
    assert isinstance(error, ModelUnavailable)
    assert len(model_server.calls()) == 5


async def test_a_real_quota_of_requests_is_kept_to(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """llmock counts requests per minute itself and names the true wait."""
    model_server.llmock.limits(rpm=2)
    for _ in range(2):
        await draft(remotes, model_server.base_url)
    error = await fails(remotes, model_server.base_url)
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_s == pytest.approx(30, abs=2)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
async def test_a_server_in_trouble_is_asked_twice_more(remotes: Remotes, status: int) -> None:
    """With growing pauses; then it is unavailable, or well again."""
    async with raw_model_server() as model:
        model.respond("{}", status)
        error = await fails(remotes, model.base_url)
        assert isinstance(error, ModelUnavailable)
        assert (error.retry_after_s, len(model.requests)) == (None, 3)
    first, second = remotes.naps.s
    assert 0.5 < first < 0.7
    assert 1.0 < second < 1.3
    async with raw_model_server() as model:
        model.respond("{}", status).respond("", status).complete("A blue disc.")
        assert (await draft(remotes, model.base_url)).text == "A blue disc."


async def test_a_5xx_that_names_a_wait_is_kept_to(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """Short: waited out. Long: the caller's."""
    model_server.fail(503, retry_after=1).reply("A blue disc.")
    assert (await draft(remotes, model_server.base_url)).text == "A blue disc."
    assert 1.0 < remotes.naps.s[0] < 1.3
    model_server.fail(503, retry_after=120)
    assert (await fails(remotes, model_server.base_url)).retry_after_s == 120


async def test_a_connection_that_breaks_is_tried_again(remotes: Remotes) -> None:
    """Reset, or half an answer."""
    async with raw_model_server() as model:
        model.reset_connection().break_off().complete("A blue disc.")
        assert (await draft(remotes, model.base_url)).text == "A blue disc."
        assert len(model.requests) == 3
    async with raw_model_server() as model:
        model.reset_connection()
        assert isinstance(await fails(remotes, model.base_url), ModelUnavailable)
        assert len(model.requests) == 3


async def test_where_nobody_listens_it_is_unavailable(remotes: Remotes) -> None:
    """A closed port; and the reason says nothing of what was sent."""
    error = await fails(remotes, "http://127.0.0.1:9/v1")
    assert isinstance(error, ModelUnavailable)
    assert "no answer over the wire" in error.log_reason
    assert "127.0.0.1" not in error.detail


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
        {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}},
        {"error": {"message": "You exceeded your current quota, check your plan."}},
        {"error": {"message": "Your account is not active", "code": "billing_not_active"}},
    ],
)
async def test_an_exhausted_quota_is_asked_once(remotes: Remotes, body: dict[str, Any]) -> None:
    """Waiting would not help; a Retry-After is handed on where there is one."""
    async with raw_model_server() as model:
        model.respond(body, 429).respond(body, 429, retry_after="5")
        error = await fails(remotes, model.base_url)
        assert isinstance(error, ModelUnavailable)
        assert (error.retry_after_s, len(model.requests)) == (None, 1)
        assert (await fails(remotes, model.base_url)).retry_after_s == 5
        assert len(model.requests) == 2


@pytest.mark.parametrize("status", [400, 402, 403])
async def test_an_empty_purse_is_a_quota_whatever_its_status(remotes: Remotes, status: int) -> None:
    """Anthropic's 400, OpenRouter's 402, a gateway's 403."""
    async with raw_model_server() as model:
        model.respond({"error": {"message": "Your credit balance is too low"}}, status)
        assert isinstance(await fails(remotes, model.base_url), ModelUnavailable)
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "words", "own_fault"),
    [
        (400, {"error": {"message": "Something odd"}}, "Something odd", True),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "wrong"}]}, "body.x: wrong", True),
        (413, "<html>413 Request Entity Too Large</html>", "too large", True),
        (400, {"error": {"code": "context_length_exceeded", "message": "too long"}}, "large", True),
        (401, {"error": {"message": "no"}}, "ALTWRIGHT_MODEL_API_KEY", False),
        (403, {"error": {"message": "no"}}, "ALTWRIGHT_MODEL_API_KEY", False),
        (
            400,
            {"error": {"message": "API key not valid. Pass a valid one."}},
            "MODEL_API_KEY",
            False,
        ),
        (404, {"error": {"message": "model 'x' not found"}}, "ollama pull", False),
        (404, "404 page not found", "ALTWRIGHT_MODEL_BASE_URL", False),
        (405, "", "ALTWRIGHT_MODEL_BASE_URL", False),
        (400, {"error": {"message": "At most 0 image(s) may be provided"}}, "that can see", False),
        (500, {"error": {"message": "image input is not supported"}}, "that can see", False),
        (404, {"error": {"message": "No endpoints found that support image input"}}, "see", False),
        (307, "", "redirects", False),
    ],
)
async def test_a_request_that_is_refused_as_wrong_is_asked_once(
    remotes: Remotes, status: int, body: str | dict[str, Any], words: str, own_fault: bool
) -> None:
    """The log says what to mend; only what no request would survive counts for the breaker."""
    async with raw_model_server() as model:
        model.respond(body, status, location="http://127.0.0.1:9/")
        error = await fails(remotes, model.base_url)
        assert isinstance(error, ModelError)
        assert isinstance(error, RequestFault) == own_fault
        assert words in error.log_reason
        assert error.detail == ModelError.public
        assert (len(model.requests), remotes.naps.s) == (1, [])


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "filtered", "code": "content_filter"}}),
        (400, {"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "x"}}),
        (
            403,
            {"error": {"message": "requires moderation and your input was flagged", "code": 403}},
        ),
        (400, {"error": {"message": "rejected by our safety system", "code": None}}),
        (200, completion("A wound", finish_reason="content_filter")),
        (200, completion(None, message={"content": None, "refusal": "I cannot help with that."})),
        (200, completion(None, finish_reason="content_filter")),
    ],
)
async def test_a_content_filter_is_a_refusal(
    remotes: Remotes, status: int, body: dict[str, Any]
) -> None:
    """Never tried again."""
    async with raw_model_server() as model:
        model.respond(body, status)
        assert isinstance(await fails(remotes, model.base_url), CaptionRefused)
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>Sign in</body></html>",
        "not JSON",
        "[]",
        '{"choices": []}',
        json.dumps(completion(None)),
        json.dumps(completion("")),
        json.dumps(
            completion(None, message={"tool_calls": [{"id": "1"}]}, finish_reason="tool_calls")
        ),
        json.dumps(completion("loop " * 200_000)),
        json.dumps(completion("A m@g.")).encode().replace(b"@", b"\xff"),
    ],
)
async def test_nonsense_is_an_error_after_one_call(remotes: Remotes, body: str | bytes) -> None:
    """HTML, emptiness, tool calls, a megabyte, broken letters."""
    async with raw_model_server() as model:
        model.respond(body)
        error = await fails(remotes, model.base_url)
        assert isinstance(error, ModelError)
        assert error.log_reason
        assert len(model.requests) == 1


async def test_a_body_without_end_is_not_read_to_its_end(remotes: Remotes) -> None:
    """Nor is a compressed one unpacked."""
    async with raw_model_server() as model:
        model.stream_64_mib()
        error = await fails(remotes, model.base_url)
        assert isinstance(error, ModelError)
        assert "larger than" in error.log_reason
    async with raw_model_server() as model:
        model.respond(b"\x1f\x8b", content_encoding="gzip")
        assert "compressed" in (await fails(remotes, model.base_url)).log_reason


@pytest.mark.parametrize("kind", ["malformedRate", "disconnectRate", "dropRate", "rateLimitRate"])
async def test_chaos_of_another_make_never_leaks(
    remotes: Remotes, aimock: AimockModelServer, kind: str
) -> None:
    """aimock breaks its JSON, cuts the line, answers 500 and 429: always one of our errors."""
    aimock.respond_always({"content": "A blue disc."}, chaos={kind: 1})
    expected = ModelError if kind == "malformedRate" else ModelUnavailable
    assert isinstance(await fails(remotes, aimock.base_url), expected)


async def test_a_hang_of_another_make_is_too_slow(
    remotes: Remotes, model_server: LlmockModelServer
) -> None:
    """llmock holds its answer back for longer than one call may take."""
    model_server.delay(1)
    tried = remotes(model_server.base_url, timeout_s=0.3)
    with pytest.raises(ModelTimeout):
        await tried.draft(picture(), ask(), Deadline.after(5))


@dataclass(frozen=True, slots=True)
class Row:
    """What must become of one real error body: the error, its wait, and how often it is asked."""

    error: type[CaptionError]
    wait_s: float | None = None
    calls: int = 1


def expected(row: dict[str, Any]) -> Row:
    """The rule for a row, from its kind and a wait read by a second, simpler reader."""
    if row["kind"] in ("too_large", "image"):
        return Row(RequestFault)
    if row["kind"] == "content_filter":
        return Row(CaptionRefused)
    if row["kind"] == "quota":
        return Row(ModelUnavailable)
    wait_s = _simply_read(row)
    if wait_s is None:
        return Row(ModelUnavailable, None, 3)
    if wait_s > 10:
        return Row(AskedToWait, wait_s)
    return Row(ModelUnavailable, wait_s, 5)


def _simply_read(row: dict[str, Any]) -> float | None:
    """Seconds that the row's body names, by splitting words."""
    if row["headers"]:
        return float(row["headers"]["retry-after"])
    words = (row["body"] or "").replace("\\n", " ").split()
    for place, word in enumerate(words[:-1]):
        if word in ("in", "after") and words[place - 1] in ("again", "retry"):
            number = words[place + 1].partition('"')[0].rstrip(".,")
            if number[0].isdigit():
                minutes, _, rest = (
                    number.rpartition("m") if "ms" not in number else ("", "", number)
                )
                scale = 0.001 if rest.endswith("ms") else 1
                return float(minutes or 0) * 60 + float(rest.rstrip("ms") or 0) * scale
    return None


async def test_every_real_error_body_gets_its_due_over_the_wire(
    remotes: Remotes, corpora: Path
) -> None:
    """Each body byte for byte, and each as the message of an error object."""
    lines = (corpora / "model_errors.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 30
    for line in lines:
        row = json.loads(line)
        headers = {k.replace("-", "_"): v for k, v in (row["headers"] or {}).items()}
        wanted = expected(row)
        bodies: list[Any] = [row["body"] or "", {"error": {"message": row["body"] or ""}}]
        for body in bodies if row["status"] != 200 else bodies[:1]:
            async with raw_model_server() as model:
                model.respond(body, row["status"], **headers)
                error = await fails(remotes, model.base_url)
                said = (type(error), error.retry_after_s, len(model.requests))
                wait_s = None if wanted.wait_s is None else pytest.approx(wanted.wait_s)
                assert said == (wanted.error, wait_s, wanted.calls), row
                assert "org_01" not in error.detail


async def test_every_real_error_body_gets_its_due_from_a_server_nobody_here_wrote(
    remotes: Remotes, aimock: AimockModelServer, corpora: Path
) -> None:
    """aimock sends each message with its own envelope and, on a 429, `Retry-After: 1`."""
    for line in (corpora / "model_errors.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] == 200 or not row["body"]:
            continue
        wanted = expected(row)
        aimock.reset()
        aimock.respond_always({"error": {"message": row["body"]}, "status": row["status"]})
        error = await fails(remotes, aimock.base_url)
        if row["status"] == 429 and row["kind"] == "429":
            wait_s = max(wanted.wait_s or 1, 1)
            wanted = Row(AskedToWait, wait_s) if wait_s > 10 else Row(ModelUnavailable, wait_s, 5)
        calls = len(aimock.calls())
        assert issubclass(type(error), wanted.error), row
        assert calls == wanted.calls, row
        if wanted.wait_s is not None:
            assert error.retry_after_s == pytest.approx(wanted.wait_s), row
