"""Classifies failed calls to a model server: from status, headers and error body to a failure kind.

Servers agree on few statuses and codes, so the words of the error body decide as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.errors import (
    ConnectionFailed,
    ConnectTimeout,
    TransportError,
)
from app.captioning.openai_compat.retry_after import find_retry_after_in_body_s, find_retry_after_s


class FailureKind(StrEnum):
    """What kind of failure a call ended with; it decides whether and how the call is repeated."""

    CONTENT_FILTERED = "content_filtered"
    """A content filter refused the image or the text."""
    QUOTA_EXHAUSTED = "quota_exhausted"
    """The account's quota or credit is used up."""
    RATE_LIMITED = "rate_limited"
    """A 429 that is not about quota or size."""
    SERVER_UNAVAILABLE = "server_unavailable"
    """A 5xx, or a connection that failed."""
    CONNECT_TIMEOUT = "connect_timeout"
    IMAGE_TOO_LARGE = "image_too_large"
    """The model refuses this image's size; a smaller one may pass."""
    REQUEST_REJECTED = "request_rejected"
    """The server refuses this request as invalid or too large; others may pass."""
    RESPONSE_INVALID = "response_invalid"
    """This response cannot be used; others may be valid."""
    MISCONFIGURED = "misconfigured"
    """No request can succeed until the operator changes a setting: key, model or base URL."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call."""

    kind: FailureKind
    reason: str
    """What is wrong and what to do, for the log, without text of the server."""
    retry_after_s: float | None = None
    """The wait that the server named."""
    error_body: ErrorBody | None = None
    status: int | None = None


_KEY_REASON = (
    "the key was refused: check ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS), and "
    "that it may use this model"
)
_NOT_FOUND_REASON = (
    "no such path or model: check ALTWRIGHT_MODEL and ALTWRIGHT_MODEL_BASE_URL (it mostly ends in "
    "/v1); with Ollama, `ollama pull` the model"
)
_NO_IMAGE_INPUT_REASON = "this model takes no images: choose a vision model"

_CONTENT_FILTER_CODES = frozenset({
    "content_filter", "content_policy_violation", "responsibleaipolicyviolation",
    "moderation_blocked", "data_inspection_failed", "datainspectionfailed", "prohibited_content",
    "content_moderation", "content_blocked", "safety_violation", "image_content_policy_violation",
})  # fmt: skip
_CONTENT_FILTER = re.compile(
    r"content management policy|content (?:policy|filter|moderation)"
    r"|safety (?:system|filter|policy)|flagged (?:by|as|for)|input was flagged"
    r"|responsibleaipolicy|inappropriate content"
    r"|blocked by .{0,40}(?:policy|filter|safety)|sensitive (?:content|information)"
)
_QUOTA_CODES = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active",
    "insufficient_balance", "insufficient_credits", "credit_balance_too_low",
    "access_terminated", "billing_error",
    "billing_required", "payment_required", "account_deactivated", "arrearage",
    "local:insufficient_quota", "exceeded_current_quota_error", "insufficient_user_quota",
    "quota_exhausted", "usage_limit_reached",
})  # fmt: skip
_QUOTA = re.compile(
    r"exceeded your current quota|insufficient[ _](?:quota|balance|credit|fund)|credit balance"
    r"|(?:out of|not enough|no|more) credits|billing hard limit|account is not active"
    r"|(?:monthly|weekly|hourly|daily) (?:usage|included|spend)|usage limit|spending limit"
    r"|quota (?:is )?exhausted|payment required"
)
# The quota of a day or month: the wait that Gemini sends with it, some seconds, is wrong.
_DAILY_QUOTA = re.compile(r"per(?:day|month)|per (?:day|month)")
_REQUEST_TOO_LARGE = re.compile(
    r"request (?:is )?too large|(?:payload|entity|body|content) too large|request_too_large"
    r"|context_length_exceeded|(?:maximum |max )?context (?:length|window|size)|prompt is too long"
    r"|prompt too long|(?:tokens|message size) must be reduced|reduce your message size"
    r"|string_above_max_length|token count .{0,40}exceeds"
)
_IMAGE_TOO_LARGE = re.compile(
    r"encoder cache|too many image tokens"
    r"|\bimages?\b.{0,80}(?:too (?:large|big|long)|exceed|larger than|over the limit|maximum)"
    r"|(?:exceed|too (?:large|big)|larger than|max(?:imum)?(?: allowed)? )"
    r".{0,80}\b(?:images?|pixels?|dimensions?|resolution)\b"
)
_NO_IMAGE_INPUT = re.compile(
    r"(?:n['’]t|not) support (?:the )?(?:image|vision|multimodal)|image input is not supported"
    r"|not a (?:multimodal|vision)|at most 0 image|support image input|support images"
    r"|unknown variant [`'\"]?image_url|content must be a string|unsupported content part"
    r"|image_url is only supported|cannot unmarshal array|images? (?:is|are) not supported|mmproj"
    r"|(?:n['’]t|not) (?:accept|allow|take) images?|does not have vision"
)
_INVALID_KEY = re.compile(
    r"(?:incorrect|invalid|wrong|bad|missing) api[ _-]?key"
    r"|api[ _-]?key (?:is )?(?:not valid|invalid|expired|missing|not found)"
    r"|invalid[ _]authentication|invalid_api_key"
)
_UNKNOWN_MODEL = re.compile(
    r"model_not_found|model .{0,120}(?:not found|does not exist|not exist|is not (?:a )?valid)"
    r"|invalid model|unknown model|no such model|model_decommissioned|has been decommissioned"
)
_RATE_LIMITED = re.compile(
    r"rate[ _-]?limit|too many requests|resource_exhausted|throttl|tokens per minute"
)
_UNAVAILABLE = re.compile(
    r"overload|unavailable|no capacity|server_error|internal error|internal_error|bad gateway"
    r"|upstream|timed? ?out|try again later"
)

# Statuses that may concern this one request.
_REQUEST_STATUSES = frozenset({400, 403, 413, 415, 422, 451})


def classify_error_response(
    status: int, headers: Mapping[str, str], error: ErrorBody, now_s: float
) -> Failure:
    """The failure that an error response stands for, with the wait that it names.

    `status` 2xx means that the error was in the body of a success; the status is then derived from
    the body. `headers` have lower-case names; `now_s` is the wall clock, for waits given as times.
    """
    if 200 <= status < 300:
        status = error.status or _status_from_text(error.search_text)
    kind, reason = _kind_and_reason(status, error)
    retry_after_s = find_retry_after_s(headers, error.raw, now_s)
    return Failure(kind, reason, retry_after_s, error, status)


def classify_transport_error(error: TransportError) -> Failure:
    """The failure of a call without a usable HTTP response."""
    if isinstance(error, ConnectTimeout):
        kind = FailureKind.CONNECT_TIMEOUT
    elif isinstance(error, ConnectionFailed):
        kind = FailureKind.SERVER_UNAVAILABLE
    else:
        kind = FailureKind.RESPONSE_INVALID
    return Failure(kind, f"no usable HTTP response ({error})")


def _kind_and_reason(status: int, error: ErrorBody) -> tuple[FailureKind, str]:
    text = error.search_text
    if error.codes & _CONTENT_FILTER_CODES or (
        status in _REQUEST_STATUSES and _CONTENT_FILTER.search(text)
    ):
        return FailureKind.CONTENT_FILTERED, "the model's content filter refused the request"
    if status != 429 and _NO_IMAGE_INPUT.search(text):
        return FailureKind.MISCONFIGURED, _NO_IMAGE_INPUT_REASON
    if _is_quota_exhausted(status, error):
        reason = "the model's quota or credit is used up: see its billing page"
        return FailureKind.QUOTA_EXHAUSTED, reason
    if status in _REQUEST_STATUSES | {500} and _IMAGE_TOO_LARGE.search(text):
        return FailureKind.IMAGE_TOO_LARGE, "the image is too large for the model"
    if status == 413 or (status in _REQUEST_STATUSES | {429} and _REQUEST_TOO_LARGE.search(text)):
        reason = "the request is too large for the model or its rate limit"
        return FailureKind.REQUEST_REJECTED, reason
    if status == 429:
        return FailureKind.RATE_LIMITED, "the model's rate limit is reached"
    return _kind_and_reason_of_status(status, text)


def _kind_and_reason_of_status(status: int, text: str) -> tuple[FailureKind, str]:
    if status in (401, 403, 407) or (status == 400 and _INVALID_KEY.search(text)):
        return FailureKind.MISCONFIGURED, _KEY_REASON
    if status in (404, 405, 410) or (status in (400, 422) and _UNKNOWN_MODEL.search(text)):
        return FailureKind.MISCONFIGURED, _NOT_FOUND_REASON
    if status in (408, 409, 425) or status >= 500:
        return FailureKind.SERVER_UNAVAILABLE, "the model server failed"
    if status < 400:
        reason = "the server redirects: set ALTWRIGHT_MODEL_BASE_URL to the URL it redirects to"
        return FailureKind.MISCONFIGURED, reason
    return FailureKind.REQUEST_REJECTED, "the model server rejected the request as invalid"


def _is_quota_exhausted(status: int, error: ErrorBody) -> bool:
    if status == 402 or error.codes & _QUOTA_CODES:
        return True
    if status not in (400, 403, 429) or not _QUOTA.search(error.search_text):
        return False
    # Gemini calls every rate limit a quota. With a wait it is a rate limit, except a daily one.
    return (
        find_retry_after_in_body_s(error.raw) is None
        or _DAILY_QUOTA.search(error.raw.lower()) is not None
    )


def _status_from_text(text: str) -> int:
    """The status that an error inside a success should have had."""
    if _RATE_LIMITED.search(text):
        return 429
    return 503 if _UNAVAILABLE.search(text) else 400
