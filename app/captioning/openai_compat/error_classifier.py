"""What kind of trouble a model's server is in, and whose fault it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.captioning.errors import ModelError, ModelTimeout, ModelUnavailable
from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.retry_after import body_wait_s, named_wait_s

FaultKind = Literal["filtered", "quota", "busy", "down", "image", "request", "broken"]


class RequestFault(ModelError):
    """The model's server is well; it could not take this one request, or answered it badly.

    Callers see a ModelError; a breaker does not count it, or odd pictures could close the shop.
    """


class Silent(RequestFault):
    """The answer held no word besides thinking."""


class AskedToWait(ModelUnavailable):
    """The server named a wait that is longer than we wait: it is left alone until then."""


class NoTimeLeft(ModelTimeout):
    """The request's own time was over before the model had a fair chance; not counted either."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed call, judged.

    `filtered`: a content filter refused. `quota`: paid for no longer. `busy`: a rate limit.
    `down`: 5xx or no connection. `image`: the picture is too large for the model. `request`: this
    request is wrong, another may pass. `broken`: no request will pass until somebody mends it.
    """

    kind: FaultKind
    reason: str
    """What is wrong and how to mend it, for the log, without the server's own words."""
    wait_s: float | None = None
    complaint: ErrorBody | None = None
    status: int | None = None


_KEY_IS = (
    "the key was refused: check ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS), and "
    "that it may use this model"
)
_PLACE_IS = (
    "no such path or model: check ALTWRIGHT_MODEL and ALTWRIGHT_MODEL_BASE_URL (it mostly ends in "
    "/v1); with Ollama, `ollama pull` the model"
)
_NO_VISION_IS = "this model takes no pictures: choose one that can see"

_FILTER_CODES = frozenset({
    "content_filter", "content_policy_violation", "responsibleaipolicyviolation",
    "moderation_blocked", "data_inspection_failed", "datainspectionfailed", "prohibited_content",
    "content_moderation", "content_blocked", "safety_violation", "image_content_policy_violation",
})  # fmt: skip
_FILTER = re.compile(
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
# A day's or month's quota: the wait that comes with it (Gemini names some seconds) is not true.
_QUOTA_OF_A_DAY = re.compile(r"per(?:day|month)|per (?:day|month)")
_TOO_LARGE = re.compile(
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
_NO_VISION = re.compile(
    r"(?:n['’]t|not) support (?:the )?(?:image|vision|multimodal)|image input is not supported"
    r"|not a (?:multimodal|vision)|at most 0 image|support image input|support images"
    r"|unknown variant [`'\"]?image_url|content must be a string|unsupported content part"
    r"|image_url is only supported|cannot unmarshal array|images? (?:is|are) not supported|mmproj"
    r"|(?:n['’]t|not) (?:accept|allow|take) images?|does not have vision"
)
_BAD_KEY = re.compile(
    r"(?:incorrect|invalid|wrong|bad|missing) api[ _-]?key"
    r"|api[ _-]?key (?:is )?(?:not valid|invalid|expired|missing|not found)"
    r"|invalid[ _]authentication|invalid_api_key"
)
_NO_MODEL = re.compile(
    r"model_not_found|model .{0,120}(?:not found|does not exist|not exist|is not (?:a )?valid)"
    r"|invalid model|unknown model|no such model|model_decommissioned|has been decommissioned"
)
_BUSY = re.compile(
    r"rate[ _-]?limit|too many requests|resource_exhausted|throttl|tokens per minute"
)
_DOWN = re.compile(
    r"overload|unavailable|no capacity|server_error|internal error|internal_error|bad gateway"
    r"|upstream|timed? ?out|try again later"
)


def classify(status: int, headers: Mapping[str, str], complaint: ErrorBody, now_s: float) -> Fault:
    """Whose fault an answer is that is not a caption, and how long the server asks to wait.

    `status` 200 means that the error stood in the body: then the body says what it would have been.
    `headers` have lower-case names; `now_s` is the wall clock, for waits that are moments.
    """
    words = complaint.words
    if 200 <= status < 300:
        status = complaint.status or _status_in_words(words)
    wait_s = named_wait_s(headers, complaint.raw, now_s)
    kind, reason = _kind(status, words, complaint)
    return Fault(kind, reason, wait_s, complaint, status)


def _kind(status: int, words: str, complaint: ErrorBody) -> tuple[FaultKind, str]:
    if complaint.codes & _FILTER_CODES or (status in _OWN_FAULTS and _FILTER.search(words)):
        return "filtered", "the model's content filter refused"
    if status != 429 and _NO_VISION.search(words):
        return "broken", _NO_VISION_IS
    if _is_quota(status, words, complaint):
        return "quota", "the model's quota or credit is used up: see its billing page"
    if status in _OWN_FAULTS | {500} and _IMAGE_TOO_LARGE.search(words):
        return "image", "the picture is too large for the model"
    if status == 413 or (status in _OWN_FAULTS | {429} and _TOO_LARGE.search(words)):
        return "request", "the request is too large for the model or for its limit"
    if status == 429:
        return "busy", "the model's rate limit is reached"
    return _other_kind(status, words)


_OWN_FAULTS = frozenset({400, 403, 413, 415, 422, 451})
"""Statuses that may be about this one request."""


def _other_kind(status: int, words: str) -> tuple[FaultKind, str]:
    if status in (401, 403, 407) or (status == 400 and _BAD_KEY.search(words)):
        return "broken", _KEY_IS
    if status in (404, 405, 410) or (status in (400, 422) and _NO_MODEL.search(words)):
        return "broken", _PLACE_IS
    if status in (408, 409, 425) or status >= 500:
        return "down", "the model's server failed"
    if status < 400:
        return "broken", "the server redirects: set ALTWRIGHT_MODEL_BASE_URL to where it leads"
    return "request", "the model's server refused the request as wrong"


def _is_quota(status: int, words: str, complaint: ErrorBody) -> bool:
    if status == 402 or complaint.codes & _QUOTA_CODES:
        return True
    if status not in (400, 403, 429) or not _QUOTA.search(words):
        return False
    # Gemini calls every limit a quota: where its body names a wait it is a limit, unless a day's.
    return (
        body_wait_s(complaint.raw) is None
        or _QUOTA_OF_A_DAY.search(complaint.raw.lower()) is not None
    )


def _status_in_words(words: str) -> int:
    """The status that an error in a 200 should have had."""
    if _BUSY.search(words):
        return 429
    return 503 if _DOWN.search(words) else 400
