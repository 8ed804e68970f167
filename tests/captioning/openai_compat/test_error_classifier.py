"""The caller's error for each failure of a model server, over real sockets."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.captioning.errors import (
    CaptionRefused,
    ImageNotAccepted,
    ModelError,
    ModelUnavailable,
    RequestRejected,
    RetryAfterTooLong,
    ServerFailed,
)
from app.captioning.openai_compat.error_body import ErrorBody, parse_error_body
from app.captioning.openai_compat.error_classifier import (
    classify_error_response,
    classify_transport_error,
)
from app.captioning.openai_compat.errors import (
    ConnectionFailed,
    ConnectTimeout,
    ResponseRejected,
    TransportError,
)
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.response import parse_response
from app.errors import CaptionError
from testing.servers.aimock_model_server import AimockModelServer
from testing.servers.raw_model_server import completion, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import failed_draft


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "blocked by our content filter", FailureKind.CONTENT_FILTERED),
        (429, "You exceeded your current quota", FailureKind.QUOTA_EXHAUSTED),
        (429, "Too many requests", FailureKind.RATE_LIMITED),
        (200, "Rate limit reached", FailureKind.RATE_LIMITED),
        (503, "", FailureKind.SERVER_UNAVAILABLE),
        (400, "The image is too large", FailureKind.IMAGE_TOO_LARGE),
        (413, "", FailureKind.IMAGE_TOO_LARGE),
        (422, "x: field required", FailureKind.REQUEST_REJECTED),
        (401, "", FailureKind.MISCONFIGURED),
        (404, "", FailureKind.MISCONFIGURED),
        (308, "", FailureKind.MISCONFIGURED),
    ],
)
def test_an_error_response_has_a_failure_kind(status: int, message: str, kind: FailureKind) -> None:
    """From its status and, where servers differ, from the words of its message."""
    failure = classify_error_response(status, {}, ErrorBody(message), now_s=0.0)
    assert failure.kind is kind


REPORTED = [
    json.loads(line)
    for line in Path(__file__)
    .with_name("reported_error_bodies.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


@pytest.mark.parametrize("report", REPORTED, ids=lambda report: report["name"])
def test_error_bodies_of_forty_servers_have_the_right_kind(report: dict[str, Any]) -> None:
    """In the form in which users of these servers quote them; none was recorded from a server."""
    status, body = report["status"], report["body"].encode()
    error = parse_response(body) if status < 300 else parse_error_body(body)
    assert isinstance(error, ErrorBody)
    failure = classify_error_response(status, {}, error, now_s=0.0)
    assert failure.kind in report["kinds"]
    assert failure.retry_after_s == report["retry_after_s"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionFailed("refused"), FailureKind.SERVER_UNAVAILABLE),
        (ConnectTimeout("slow"), FailureKind.CONNECT_TIMEOUT),
        (ResponseRejected("too large"), FailureKind.RESPONSE_INVALID),
    ],
)
def test_a_transport_error_has_a_failure_kind(error: TransportError, kind: FailureKind) -> None:
    """There is no response to look at."""
    assert classify_transport_error(error).kind is kind


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
        {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota"}},
        {"error": {"message": "You exceeded your current quota, check your plan."}},
        {"error": {"message": "Your account is not active", "code": "billing_not_active"}},
    ],
)
async def test_an_exhausted_quota_is_not_retried(
    make_captioner: CaptionerFactory, body: dict[str, Any]
) -> None:
    """Its Retry-After goes to the caller where there is one."""
    async with raw_model_server() as model:
        model.respond(body, 429).respond(body, 429, retry_after="5")
        error = await failed_draft(make_captioner(model.base_url))
        assert isinstance(error, ModelUnavailable)
        assert (error.retry_after_s, len(model.requests)) == (None, 1)
        assert (await failed_draft(make_captioner(model.base_url))).retry_after_s == 5
        assert len(model.requests) == 2


@pytest.mark.parametrize("status", [400, 402, 403])
async def test_used_up_credit_is_an_exhausted_quota_with_any_status(
    make_captioner: CaptionerFactory, status: int
) -> None:
    """400 of Anthropic, 402 of OpenRouter, 403 of a gateway."""
    async with raw_model_server() as model:
        model.respond({"error": {"message": "Your credit balance is too low"}}, status)
        assert isinstance(await failed_draft(make_captioner(model.base_url)), ModelUnavailable)
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "expected", "is_unexplained"),
    [
        (400, {"error": {"message": "Something odd"}}, "rejected the request", True),
        (
            422,
            {"detail": [{"loc": ["body", "x"], "msg": "wrong"}]},
            "server message: … wrong",
            True,
        ),
        (401, {"error": {"message": "no"}}, "ALTWRIGHT_MODEL_API_KEY", False),
        (403, {"error": {"message": "no"}}, "ALTWRIGHT_MODEL_API_KEY", True),
        (
            400,
            {"error": {"message": "API key not valid. Pass a valid one."}},
            "MODEL_API_KEY",
            False,
        ),
        (404, {"error": {"message": "model 'x' not found"}}, "ollama pull", False),
        (404, "404 page not found", "ALTWRIGHT_MODEL_BASE_URL", False),
        (405, "", "ALTWRIGHT_MODEL_BASE_URL", False),
        (400, {"error": {"message": "At most 0 image(s) may be provided"}}, "vision model", False),
        (500, {"error": {"message": "image input is not supported"}}, "vision model", False),
        (
            404,
            {"error": {"message": "No endpoints found that support image input"}},
            "vision model",
            False,
        ),
        (307, "", "redirects", False),
    ],
)
async def test_a_rejected_request_is_not_retried(
    make_captioner: CaptionerFactory,
    status: int,
    body: str | dict[str, Any],
    expected: str,
    is_unexplained: bool,
) -> None:
    """The log says what to correct. What may be this image's fault is told from what is not."""
    async with raw_model_server() as model:
        model.respond(body, status, location="http://127.0.0.1:9/")
        error = await failed_draft(make_captioner(model.base_url))
        assert isinstance(error, ModelError)
        assert isinstance(error, RequestRejected) == is_unexplained
        assert expected in error.log_reason
        assert error.detail == ModelError.public
        assert (len(model.requests), make_captioner.sleep.waits_s) == (1, [])


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
    make_captioner: CaptionerFactory, status: int, body: dict[str, Any]
) -> None:
    """Not retried."""
    async with raw_model_server() as model:
        model.respond(body, status)
        assert isinstance(await failed_draft(make_captioner(model.base_url)), CaptionRefused)
        assert len(model.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>Sign in</body></html>",
        "not JSON",
        "[]",
        json.dumps(completion(None)),
        json.dumps(completion("")),
        json.dumps(
            completion(None, message={"tool_calls": [{"id": "1"}]}, finish_reason="tool_calls")
        ),
        json.dumps(completion("loop " * 200_000)),
        json.dumps(completion("A m@g.")).encode().replace(b"@", b"\xff"),
    ],
)
async def test_an_unusable_response_is_not_retried(
    make_captioner: CaptionerFactory, body: str | bytes
) -> None:
    """HTML, no text, a tool call, a megabyte, invalid UTF-8."""
    async with raw_model_server() as model:
        model.respond(body)
        error = await failed_draft(make_captioner(model.base_url))
        assert isinstance(error, ModelError)
        assert error.log_reason
        assert len(model.requests) == 1


@pytest.mark.parametrize("kind", ["malformedRate", "disconnectRate", "dropRate", "rateLimitRate"])
async def test_failures_that_aimock_injects_become_caption_errors(
    make_captioner: CaptionerFactory, aimock: AimockModelServer, kind: str
) -> None:
    """Malformed JSON, broken connections, 500 and 429."""
    aimock.respond_always({"content": "A blue disc."}, chaos={kind: 1})
    expected = ModelError if kind == "malformedRate" else ModelUnavailable
    assert isinstance(await failed_draft(make_captioner(aimock.base_url)), expected)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The expected error, its wait, and the number of calls, for one real error body."""

    error: type[CaptionError]
    wait_s: float | None = None
    calls: int = 1


def expected_outcome(row: dict[str, Any]) -> Outcome:
    """From the kind of a row, and a wait that a second, simpler parser finds."""
    if row["kind"] in ("too_large", "image"):
        return Outcome(ImageNotAccepted)
    if row["kind"] == "content_filter":
        return Outcome(CaptionRefused)
    if row["kind"] == "quota":
        return Outcome(ModelUnavailable)
    wait_s = _wait_s(row)
    if wait_s is None:
        return Outcome(ServerFailed if row["kind"] == "5xx" else ModelUnavailable, None, 3)
    if wait_s > 10:
        return Outcome(RetryAfterTooLong, wait_s)
    return Outcome(ModelUnavailable, wait_s, 5)


def _wait_s(row: dict[str, Any]) -> float | None:
    """The wait that the row's body names, found by splitting it into words."""
    if row["headers"]:
        return float(row["headers"]["retry-after"])
    words = (row["body"] or "").replace("\\n", " ").split()
    for index, word in enumerate(words[:-1]):
        if word in ("in", "after") and words[index - 1] in ("again", "retry"):
            number = words[index + 1].partition('"')[0].rstrip(".,")
            if number[0].isdigit():
                minutes, _, rest = (
                    number.rpartition("m") if "ms" not in number else ("", "", number)
                )
                scale = 0.001 if rest.endswith("ms") else 1
                return float(minutes or 0) * 60 + float(rest.rstrip("ms") or 0) * scale
    return None


@pytest.mark.slow
async def test_every_real_error_body_has_the_expected_outcome(
    make_captioner: CaptionerFactory, corpora: Path
) -> None:
    """Each body unchanged, and each as the message of an error object."""
    lines = (corpora / "model_errors.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= 20
    for line in lines:
        row = json.loads(line)
        headers = {k.replace("-", "_"): v for k, v in (row["headers"] or {}).items()}
        wanted = expected_outcome(row)
        bodies: list[Any] = [row["body"] or "", {"error": {"message": row["body"] or ""}}]
        for body in bodies if row["status"] != 200 else bodies[:1]:
            async with raw_model_server() as model:
                model.respond(body, row["status"], **headers)
                error = await failed_draft(make_captioner(model.base_url))
                outcome = (type(error), error.retry_after_s, len(model.requests))
                wait_s = None if wanted.wait_s is None else pytest.approx(wanted.wait_s)
                assert outcome == (wanted.error, wait_s, wanted.calls), row
                assert "org_01" not in error.detail


async def test_every_real_error_message_sent_by_aimock_has_the_expected_outcome(
    make_captioner: CaptionerFactory, aimock: AimockModelServer, corpora: Path
) -> None:
    """aimock adds its own error object and, for a 429, `Retry-After: 1`."""
    for line in (corpora / "model_errors.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] == 200 or not row["body"]:
            continue
        wanted = expected_outcome(row)
        aimock.reset()
        aimock.respond_always({"error": {"message": row["body"]}, "status": row["status"]})
        error = await failed_draft(make_captioner(aimock.base_url))
        if row["status"] == 429 and row["kind"] == "429":
            wait_s = max(wanted.wait_s or 1, 1)
            wanted = (
                Outcome(RetryAfterTooLong, wait_s)
                if wait_s > 10
                else Outcome(ModelUnavailable, wait_s, 5)
            )
        calls = len(aimock.calls())
        assert issubclass(type(error), wanted.error), row
        assert calls == wanted.calls, row
        if wanted.wait_s is not None:
            assert error.retry_after_s == pytest.approx(wanted.wait_s), row


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        # filters of servers that no table knows
        (400, "Your request was rejected by our safety system", FailureKind.CONTENT_FILTERED),
        (403, "This image violates our community guidelines", FailureKind.CONTENT_FILTERED),
        (422, "NSFW content detected in the input image", FailureKind.CONTENT_FILTERED),
        (400, "The picture was blocked due to sexual content", FailureKind.CONTENT_FILTERED),
        (500, "Guardrail triggered: violence", FailureKind.CONTENT_FILTERED),
        (400, "输入图片包含违规内容", FailureKind.CONTENT_FILTERED),
        (451, "The response was filtered for safety reasons", FailureKind.CONTENT_FILTERED),
        # images that a model cannot take
        (400, "Image dimensions must be at least 10x10 pixels", FailureKind.IMAGE_REFUSED),
        (400, "image is too small: 16x16", FailureKind.IMAGE_REFUSED),
        (400, "cannot identify image file <_io.BytesIO>", FailureKind.IMAGE_REFUSED),
        (422, "Could not decode the image", FailureKind.IMAGE_REFUSED),
        (500, "failed to process image: unexpected size", FailureKind.IMAGE_REFUSED),
        (400, "Invalid image: width must be larger than 28", FailureKind.IMAGE_REFUSED),
        (400, "The image length and width do not meet the model restrictions.",
         FailureKind.IMAGE_REFUSED),
        (400, "unsupported image format", FailureKind.IMAGE_REFUSED),
        (400, "图片宽高比不符合要求", FailureKind.IMAGE_REFUSED),
        # too many tokens
        (400, "input length and max_tokens exceed context limit: 5000 + 64 > 4096",
         FailureKind.IMAGE_TOO_LARGE),
        (400, "Input is too long for requested model.", FailureKind.IMAGE_TOO_LARGE),
        (400, "Your request exceeded model token limit : 8192", FailureKind.IMAGE_TOO_LARGE),
        (400, "Prompt tokens too long", FailureKind.IMAGE_TOO_LARGE),
        (400, "image exceeds 5 MB maximum: 5316852 bytes > 5242880 bytes",
         FailureKind.IMAGE_TOO_LARGE),
        (500, "input length exceeds the context length", FailureKind.IMAGE_TOO_LARGE),
        (422, "inputs tokens + max_new_tokens must be <= 4096. Given: 5000 too many tokens",
         FailureKind.IMAGE_TOO_LARGE),
        # models without image input
        (400, "This model does not support image inputs", FailureKind.NO_IMAGE_INPUT),
        (400, "m is not a multimodal model", FailureKind.NO_IMAGE_INPUT),
        (422, "the model only supports text", FailureKind.NO_IMAGE_INPUT),
        (400, "该模型不支持图片输入", FailureKind.NO_IMAGE_INPUT),
        # but not these
        (400, "This model does not support images larger than 8000 pixels",
         FailureKind.IMAGE_TOO_LARGE),
        (400, "The model does not support image format image/avif", FailureKind.IMAGE_REFUSED),
        # crashes
        (500, "llama runner process has terminated: exit status 2", FailureKind.RUNNER_CRASHED),
        (400, "The model has crashed without additional information. (Exit code: 6)",
         FailureKind.RUNNER_CRASHED),
        (500, "an error was encountered while running the model: unexpected EOF",
         FailureKind.RUNNER_CRASHED),
        # budgets
        (400, "Budget has been exceeded! Current cost: 26.075, Max budget: 0.25",
         FailureKind.QUOTA_EXHAUSTED),
        (401, "Authentication Error, ExceededTokenBudget: over budget for this key",
         FailureKind.QUOTA_EXHAUSTED),
        (403, "Key limit exceeded: you are out of credits", FailureKind.QUOTA_EXHAUSTED),
        (429, "No deployments available - crossed budget", FailureKind.QUOTA_EXHAUSTED),
        (412, "usage limits exceeded: usage limit of this virtual key",
         FailureKind.QUOTA_EXHAUSTED),
        # more room
        (400, "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our docs",
         FailureKind.MORE_TOKENS_NEEDED),
        (400, "thinking.budget_tokens must be less than max_tokens",
         FailureKind.MORE_TOKENS_NEEDED),
        (400, "The output limit was reached. Please try again with higher max_tokens.",
         FailureKind.MORE_TOKENS_NEEDED),
        # of unknown meaning, or something else
        (400, "Something odd", FailureKind.REQUEST_REJECTED),
        (400, "messages: at least one message is required", FailureKind.REQUEST_REJECTED),
        (400, "temperature must be less than 2", FailureKind.REQUEST_REJECTED),
        (500, "Internal Server Error", FailureKind.SERVER_UNAVAILABLE),
        (503, "the server is overloaded", FailureKind.SERVER_UNAVAILABLE),
        (502, "Bad Gateway", FailureKind.SERVER_UNAVAILABLE),
        (401, "Your account was flagged", FailureKind.MISCONFIGURED),
        (429, "Tokens per minute limit exceeded - too many tokens processed.",
         FailureKind.RATE_LIMITED),
    ],
)  # fmt: skip
def test_the_words_that_servers_have_in_common_are_understood(
    status: int, message: str, kind: FailureKind
) -> None:
    """Also of servers that the table of dialects does not know."""
    failure = classify_error_response(status, {}, ErrorBody(message), now_s=0.0)
    assert failure.kind is kind
