"""Classifies failed calls to a model server: from status, headers and error body to a failure kind.

Codes decide first, then the status, then the words of known providers (`provider_dialects.toml`),
and last the words that most servers have in common.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.errors import (
    ConnectionBroken,
    ConnectionFailed,
    ConnectTimeout,
    TransportError,
)
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.provider_dialects import kind_of_codes, kind_of_words
from app.captioning.openai_compat.retry_after import find_retry_after_in_body_s, find_retry_after_s
from app.captioning.providers.provider import PLAIN_STATUSES, ErrorStatement


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
    is_unexplained: bool = False
    """This image may be the cause, or the server: only a request with another image can tell."""

    @property
    def may_have_cost(self) -> bool:
        """Whether the model may have written a response that was lost on its way, and is paid."""
        is_broken = self.status is None and self.is_unexplained
        return is_broken or self.status in _TIMEOUT_STATUSES


_KEY_REASON = (
    "the key was refused: check ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS), and "
    "that it may use this model"
)
_NOT_FOUND_REASON = (
    "no such path or model: check ALTWRIGHT_MODEL and ALTWRIGHT_MODEL_BASE_URL (it mostly ends in "
    "/v1); with Ollama, `ollama pull` the model"
)
_REASONS = {
    FailureKind.CONTENT_FILTERED: "the model's content filter refused the request",
    FailureKind.IMAGE_REFUSED: "the model cannot take this image",
    FailureKind.IMAGE_UNREADABLE: "the model cannot read this image, also encoded anew",
    FailureKind.IMAGE_TOO_LARGE: (
        "the image is too large for the model's context or its server's limits"
    ),
    FailureKind.RUNNER_CRASHED: "the process that runs the model crashed",
    FailureKind.NO_IMAGE_INPUT: (
        "this model takes no images: choose a vision model, or give its server the projector "
        "(mmproj) of the model"
    ),
    FailureKind.QUOTA_EXHAUSTED: (
        "the model's quota, credit or budget is used up: see the billing page of its provider, or "
        "the budgets of your proxy"
    ),
    FailureKind.RATE_LIMITED: "the model's rate limit is reached",
    FailureKind.SERVER_UNAVAILABLE: "the model server failed",
    FailureKind.MORE_TOKENS_NEEDED: "the model's reasoning needs more tokens than were allowed",
    FailureKind.STREAM_REQUIRED: "the model answers with an event stream only",
    FailureKind.REQUEST_REJECTED: "the model server rejected the request as invalid",
}

_CONTENT_FILTER = re.compile(
    r"content (?:management |safety |security )?(?:policy|policies|filter|moderation|guideline)"
    r"|safety (?:system|filter|polic|check|guideline|setting|violation|reason)|flagged"
    r"|usage (?:guideline|polic)|community guideline|(?:acceptable|terms of) use"
    r"|violat\w{1,4} .{0,60}(?:guideline|polic|terms|rules|law|regulation)"
    r"|responsible ?ai|inappropriate|nsfw|guardrail|prompt injection|jailbreak|risk control"
    r"|(?:blocked|rejected|refused|filtered|denied) (?:by|due to|because of|for|as) .{0,60}"
    r"(?:polic|filter|safety|guardrail|moderation|sensitive|unsafe|harmful|sexual|violen|illegal)"
    r"|(?:sensitive|unsafe|harmful|prohibited|illegal|explicit|offensive|disallowed|objectionable)"
    r" (?:content|information|word|image|input|material)"
    r"|blocked due to security|content audit|violation tendency|is blocked\.$"
    r"|moderation|censor|敏感|不安全|违规|违禁|违法|风控|风险|内容安全|安全策略|安全审核|审核不通过"
)
_QUOTA = re.compile(
    r"exceeded your current quota|insufficient[ _](?:quota|balance|credit|fund)|credit balance"
    r"|(?:out of|not enough|no|more) credits|billing hard limit|account is not active"
    r"|(?:monthly|weekly|hourly|daily) (?:usage|included|spend)|(?:usage|spending|spend) limit"
    r"|quota (?:is |has been )?exhausted|payment required"
    r"|(?:exceed\w*|over|out of|crossed|beyond|no|reached)(?: \w+){0,3} budget\b"
    r"|\bbudget (?:is |has been |was )?(?:exceeded|exhausted|reached|used up)"
    r"|exceeded\w{0,20}budget"
    r"|balance (?:is |was )?(?:insufficient|too low|not enough)|not enough balance"
    r"|billing (?:to be|is not|must be) enabled|billing_disabled|free ?tier .{0,40}exhausted"
    r"|daily (?:free allocation|request limit)|(?:set|inference) limit .{0,60}(?:paused|exceeded)"
    r"|calls / month|resourcepackexhausted"
    r"|overdue|in arrears|余额不足|欠费|额度|余量已用尽"
)
# The quota of a day or month: the wait that Gemini sends with it, some seconds, is wrong.
_DAILY_QUOTA = re.compile(r"per[ -]?(?:day|month)|/ month")
_REQUEST_TOO_LARGE = re.compile(
    r"request (?:is )?too large|(?:payload|entity|body|content) too large|request_too_large"
    r"|(?:maximum |max )?context (?:length|window|size)|prompt (?:is )?too long"
    r"|(?:tokens|message size) must be reduced|reduce your message size"
)
_IMAGE_TOO_LARGE = re.compile(
    r"\bimages?\b.{0,80}"
    r"(?:too (?:large|big|long)|exceed|(?<!be )larger than|over the limit|maximum)"
    r"|(?:exceed|too (?:large|big)|larger than|max(?:imum)?(?: allowed)? )"
    r".{0,80}\b(?:images?|pixels?|dimensions?|resolution)\b"
    r"|(?:prompt|input) .{0,60}(?:longer than|exceeds?|too (?:long|many)) .{0,60}"
    r"(?:tokens?|model|length|context)"
    r"|token limit|tokens? (?:length )?too long|too many (?:\w+ )?tokens|tokens? .{0,60}exceeds?"
    r"|exceeds? .{0,40}(?:max_model_len|n_ctx|context)|max_seq_len|physical batch size"
    r"|range of input length|(?:file|media) size is too large|contextwindowexceeded"
    r"|must (?:have less than \d+ tokens|be <= \d+. given)|max_new_tokens` must be"
    r"|max_model_len|maximum model length|encoder cache|\bn_ctx\b"
    r"|(?:图片|图像).{0,30}(?:过大|太大|超过|超出)|(?:上下文|输入)长度|超过.{0,20}(?:最大|限制|长度)"
)
_IMAGE_REFUSED = re.compile(
    r"\bimages?\b.{0,60}too (?:small|narrow|short|thin)|too small.{0,40}\bimages?\b"
    r"|aspect[ _]ratio|must be (?:larger|greater|bigger) than factor|(?:less|smaller) than factor"
    r"|\b(?:images?|widths?|heights?|dimensions?|sides?|pixels?)\b.{0,80}"
    r"(?:at least|minimum|less than|smaller than|below|(?:must be|should be) (?:larger|greater)"
    r"|do(?:es)? not meet|not (?:a )?(?:valid|supported|allowed|decodable|readable))"
    r"|not support (?:\w+ )?images? (?:format|type|size|of|with|under|below|smaller|that)"
    r"|(?:minimum|at least|smaller than|less than) .{0,40}\b(?:pixels?|image size|dimensions?)\b"
    r"|(?:can ?not|can['’]t|could ?n[o'’]t|could not|unable to|failed to|error (?:while )?)\s?"
    r"(?:be )?(?:process|decod|read|load|identify|open|pars|preprocess|resiz|handl|interpret|apply)"
    r"\w*.{0,40}\b(?:images?|picture|media|\w*processor|multimodal|multi-modal)\b"
    r"|\bimages?\b.{0,60}(?:can ?not be|could ?n[o'’]t be|could not be|failed to) "
    r"(?:process|decod|read|load|identif|open|pars|recogni)"
    r"|(?:invalid|unsupported|corrupt\w*|bad|malformed|broken|damaged|empty|truncated)"
    r"(?: or \w+)? (?:input )?(?:base64 )?(?:\w+ )?images?\b(?! (?:input|url))"
    r"|\bimages?\b (?:data |file |content |format |type |size |mode )?(?:is |was |are )?"
    r"(?:not valid|invalid|unsupported|corrupt|malformed|broken|damaged|truncated|empty)"
    r"|(?:图片|图像|图).{0,30}(?:过小|太小|无法|不支持|不符合|尺寸|宽高|长宽|格式|解析失败|损坏)"
)
_NO_IMAGE_INPUT = re.compile(
    r"(?:n['’]t|not) support (?:the )?(?:images?|vision|multi-?modal)\b"
    r"(?! (?:larger|bigger|smaller|over|under|of|with|above|below|format|type|size|in |that))"
    r"|image (?:input|support|understanding) is not (?:supported|enabled|available)"
    r"|image inputs? (?:are|is) not|(?:missing|without|no|lacks?) .{0,30}"
    r"(?:image input|vision (?:support|capabilit|encoder|tower)|projector)"
    r"|not (?:a )?(?:multi-?modal|vision)|at most 0 image|support(?:s)? image input"
    r"|that support images|unknown variant [`'\"]?image_url|content must be a string"
    r"|unsupported content part|image_url is (?:only supported|not (?:supported|allowed))"
    r"|cannot unmarshal array|\bimages? (?:is|are) not (?:supported|allowed|accepted)|mmproj"
    r"|\bprojector\b|(?:n['’]t|not) (?:accept|allow|take|handle) images?\b"
    r"(?! (?:larger|smaller|over|of|with))"
    r"|not a vlm\b|text[- ]only prompts"
    r"|vision (?:add-?on|adapter|module|model|encoder) (?:is|was) not (?:loaded|found|installed)"
    r"|did not match any variant of untagged enum \w*content"
    r"|(?:does not|doesn['’]t) have vision|text[- ]only model|only (?:supports?|accepts?) text"
    r"|不支持(?:图片|图像|视觉|多模态)(?!格式|尺寸|类型)"
)
_RUNNER_CRASHED = re.compile(
    r"runner .{0,40}(?:stopped|terminated|no longer running|crashed|died|exited)"
    r"|(?:model|engine|worker|backend|server process|llama-server)\b.{0,40}"
    r"(?:crashed|has died|unexpectedly|terminated|exited)|unexpected eof|exit(?:ed with)? code"
    r"|segmentation fault|core dumped|\bpanic\b|/completion[\"']*: eof"
    r"|forcibly closed by the remote host"
)
_MORE_TOKENS_NEEDED = re.compile(
    r"max_\w{0,30}tokens.{0,60}(?:must|should|has to|needs? to) be (?:greater|larger|higher|more)"
    r" than .{0,40}(?:think|reason|budget)"
    r"|(?:think|reason)\w*[ ._]?budget\w*.{0,80}(?:less|smaller|lower|fewer) than .{0,30}max"
    r"|(?:higher|larger|more|increase|raise)(?: \w+){0,2} [`'\"]?max_\w{0,30}tokens"
    r"|max_\w{0,30}tokens.{0,40}(?:below minimum|too (?:small|low)|is less than the minimum)"
)
_STREAM_REQUIRED = re.compile(
    r"only supports? stream|stream\w* (?:mode )?(?:is )?required|requires? stream"
    r"|stream[`'\"]? (?:must|should) be (?:set to )?true|(?:请|仅支持|只支持).{0,10}(?:stream|流式)"
)
_INVALID_KEY = re.compile(
    r"(?:incorrect|invalid|wrong|bad|missing) api[ _-]?key"
    r"|api[ _-]?key (?:is )?(?:not valid|invalid|expired|missing|not found)"
    r"|invalid[ _]authentication|invalid_api_key"
)
_UNKNOWN_MODEL = re.compile(
    r"model_not_supported|is not supported by any provider|non-serverless|model_not_available"
    r"|unexpected endpoint|failed to load model|location is not supported|模型不存在"
    r"|organization has been restricted|organization_restricted|appidnoauth|access token invalid"
    r"|model_not_found|model .{0,120}(?:not found|does not exist|not exist|is not (?:a )?valid)"
    r"|invalid model|unknown model|no such model|model_decommissioned|has been decommissioned"
)
_RATE_LIMITED = re.compile(
    r"rate[ _-]?limit|\bqps\b|request limit reached|too many requests|resource_exhausted"
    r"|throttl|tokens per minute"
)
# A 400 of servers whose model is not loaded now.
_MODEL_AWAY = re.compile(r"degraded function|model (?:was |is |has been )?unloaded|no model loaded")
_UNAVAILABLE = re.compile(
    r"overload|unavailable|no capacity|server_error|internal error|internal_error|bad gateway"
    r"|upstream|timed? ?out|try again later"
)

_AUTHENTICATION_STATUSES = frozenset({401, 403, 407})
# 498 is Groq's for its flex tier, 499 nginx's for a request that was cancelled.
_TRANSIENT_STATUSES = frozenset({408, 409, 425, 498, 499})
# A gateway did not wait for the model. 524 is Cloudflare's.
_TIMEOUT_STATUSES = frozenset({408, 499, 504, 524})
# Statuses that may concern this one request, gateways' own among them (446 is Portkey's for a
# guardrail), and the 500 of servers that have no other.
_REQUEST_STATUSES = (
    frozenset({*range(400, 500), 500}) - _TRANSIENT_STATUSES - {401, 402, 404, 405, 407, 410, 429}
)

_WORDS: tuple[tuple[FailureKind, re.Pattern[str], frozenset[int]], ...] = (
    (FailureKind.MORE_TOKENS_NEEDED, _MORE_TOKENS_NEEDED, frozenset({400, 422})),
    (FailureKind.STREAM_REQUIRED, _STREAM_REQUIRED, frozenset({400, 422})),
    (FailureKind.CONTENT_FILTERED, _CONTENT_FILTER, _REQUEST_STATUSES),
    (FailureKind.NO_IMAGE_INPUT, _NO_IMAGE_INPUT, _REQUEST_STATUSES | {404, 501}),
    (FailureKind.RUNNER_CRASHED, _RUNNER_CRASHED, _REQUEST_STATUSES | {502, 503, 504}),
    (FailureKind.IMAGE_TOO_LARGE, _IMAGE_TOO_LARGE, _REQUEST_STATUSES),
    (FailureKind.IMAGE_TOO_LARGE, _REQUEST_TOO_LARGE, _REQUEST_STATUSES | {429}),
    (FailureKind.IMAGE_REFUSED, _IMAGE_REFUSED, _REQUEST_STATUSES),
    (FailureKind.SERVER_UNAVAILABLE, _MODEL_AWAY, _REQUEST_STATUSES),
    (FailureKind.RATE_LIMITED, _RATE_LIMITED, frozenset({400, 403, 424})),
)
"""Words that most servers have in common, with the statuses that they count for; in order."""


def classify_error_response(
    status: int,
    headers: Mapping[str, str],
    error: ErrorBody,
    now_s: float,
    documented: Sequence[ErrorStatement] = (),
) -> Failure:
    """The failure that an error response stands for, with the wait that it names.

    `status` 2xx means that the error was in the body of a success; the status is then derived from
    the body. `headers` have lower-case names; `now_s` is the wall clock, for waits given as times.
    `documented` is what the provider's own file says of its errors, which counts first.
    """
    if 200 <= status < 300:
        status = error.status or _status_from_text(error.search_text)
    kind, reason = _kind_and_reason(status, error, documented)
    retry_after_s = find_retry_after_s(headers, error.raw, now_s)
    return Failure(
        kind, reason, retry_after_s, error, status, is_unexplained=_is_unexplained(kind, status)
    )


def classify_transport_error(error: TransportError) -> Failure:
    """The failure of a call without a usable HTTP response."""
    if isinstance(error, ConnectTimeout):
        kind = FailureKind.CONNECT_TIMEOUT
    elif isinstance(error, ConnectionFailed):
        kind = FailureKind.SERVER_UNAVAILABLE
    else:
        kind = FailureKind.RESPONSE_INVALID
    is_unexplained = isinstance(error, ConnectionBroken)
    reason = f"no usable HTTP response ({error})"
    return Failure(kind, reason, is_unexplained=is_unexplained)


def _is_unexplained(kind: FailureKind, status: int) -> bool:
    """Whether this image may be the cause. Some filters say 403 in words that are not known."""
    return (
        kind in (FailureKind.REQUEST_REJECTED, FailureKind.RUNNER_CRASHED)
        or (kind is FailureKind.SERVER_UNAVAILABLE and status >= 500)
        or (kind is FailureKind.MISCONFIGURED and status == 403)
    )


def _kind_and_reason(
    status: int, error: ErrorBody, documented: Sequence[ErrorStatement]
) -> tuple[FailureKind, str]:
    kind = next(
        (one.kind for one in documented if one.is_said_by(status, error.codes, error.search_text)),
        None,
    ) or _kind(status, error)
    if kind is not FailureKind.MISCONFIGURED:
        return kind, _REASONS[kind]
    if status in _AUTHENTICATION_STATUSES or _INVALID_KEY.search(error.search_text):
        return kind, _KEY_REASON
    if 200 <= status < 400:
        return kind, "the server redirects: set ALTWRIGHT_MODEL_BASE_URL to the URL it redirects to"
    return kind, _NOT_FOUND_REASON


def _kind(status: int, error: ErrorBody) -> FailureKind:
    """Codes first, then the status where it leaves no doubt, then words."""
    text = error.search_text
    kind = kind_of_codes(status, error.codes)
    if kind is None and status == 402:
        kind = FailureKind.QUOTA_EXHAUSTED
    if kind is None and status not in PLAIN_STATUSES:
        kind = kind_of_words(status, text)
    if kind is None and _is_quota_exhausted(status, error):
        kind = FailureKind.QUOTA_EXHAUSTED
    if kind is None and status == 413:
        kind = FailureKind.IMAGE_TOO_LARGE
    if kind is None and status == 451:  # "unavailable for legal reasons"
        kind = FailureKind.CONTENT_FILTERED
    if kind is None:
        kind = next(
            (kind for kind, words, statuses in _WORDS if status in statuses and words.search(text)),
            None,
        )
    return kind or _kind_of_status(status, text)


def _kind_of_status(status: int, text: str) -> FailureKind:
    if status == 429:
        return FailureKind.RATE_LIMITED
    if status in _AUTHENTICATION_STATUSES or (status == 400 and _INVALID_KEY.search(text)):
        return FailureKind.MISCONFIGURED
    if status in (404, 405, 410) or (status in (400, 422) and _UNKNOWN_MODEL.search(text)):
        return FailureKind.MISCONFIGURED
    if status in _TRANSIENT_STATUSES or status >= 500:
        return FailureKind.SERVER_UNAVAILABLE
    return FailureKind.MISCONFIGURED if status < 400 else FailureKind.REQUEST_REJECTED


def _is_quota_exhausted(status: int, error: ErrorBody) -> bool:
    if status not in (400, 401, 403, 412, 429) or not _QUOTA.search(error.search_text):
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
