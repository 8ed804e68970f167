"""Session: the calls to the model server that one draft request takes.

A call is repeated with other parameters where the model refused some, with a smaller image where
it refused the size, with more tokens where reasoning used them up, and after a wait where the
server is rate limited or down. Each kind of repetition is bounded, and all by the deadline.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from app.captioning.errors import (
    CaptionRefused,
    DeadlineExceeded,
    ImageNotAccepted,
    ModelCrashed,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RequestRejected,
    RequestSpecificError,
    RetryAfterTooLong,
    ServerFailed,
)
from app.captioning.openai_compat.bounded_transport import HttpResponse
from app.captioning.openai_compat.call_telemetry import (
    ModelCall,
    log_operators_fault,
    observe_call,
)
from app.captioning.openai_compat.capabilities import (
    Capabilities,
    LearnedCapabilities,
    learn_fewer_tokens,
    learn_from_error,
)
from app.captioning.openai_compat.chat_request import ChatRequest, RetryPolicy
from app.captioning.openai_compat.endpoint import Endpoint
from app.captioning.openai_compat.error_body import ErrorBody, parse_error_body
from app.captioning.openai_compat.error_classifier import (
    Failure,
    classify_error_response,
    classify_transport_error,
)
from app.captioning.openai_compat.errors import EmptyResponse, TransportError
from app.captioning.openai_compat.extra_params import merge_params
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.request_body import RequestBody
from app.captioning.openai_compat.response import InvalidResponse, ModelResponse, parse_response
from app.captioning.openai_compat.server_text import loggable_codes, loggable_message
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.token_use import UNKNOWN_TOKEN_USE, TokenPrice, TokenUse
from app.types import ModelImage

_logger = logging.getLogger(__name__)

ShrinkImage = Callable[[bytes], Awaitable[ModelImage]]
"""Returns the JPEG with fewer pixels, or encoded anew."""

_READ_AT_ONCE_BYTES = 16 * 1024
"""A larger response is read in a thread, with rests: two megabytes of events take 0.2 s."""
_READ_ERROR_AT_ONCE_BYTES = 2 * 1024
"""The words of an error are searched: 4,096 hostile characters take 20 ms."""
_MAX_HEADROOM_STEPS = 2
"""Repetitions with more tokens in one session: to the largest headroom in two."""
_MAX_PARAMETER_CHANGES = 3
"""One for each parameter that a model may refuse, on average."""
_FINAL_KINDS = frozenset({
    FailureKind.CONTENT_FILTERED, FailureKind.IMAGE_REFUSED, FailureKind.NO_IMAGE_INPUT,
    FailureKind.QUOTA_EXHAUSTED, FailureKind.RUNNER_CRASHED,
})  # fmt: skip
"""No other call is made for these, whatever else the message mentions."""
_UNPAID_KINDS = frozenset({
    FailureKind.MISCONFIGURED, FailureKind.NO_IMAGE_INPUT, FailureKind.QUOTA_EXHAUSTED,
    FailureKind.RATE_LIMITED, FailureKind.SERVER_UNAVAILABLE, FailureKind.CONNECT_TIMEOUT,
})  # fmt: skip
"""With these the model was not asked. What a filter or a limit of its own refused may be paid."""
_FIRST_BACKOFF_S = 0.5
"""The first wait where the server names none; doubled each time, as in the openai SDK."""
_MIN_CALL_S = 0.5
"""No model responds faster: a wait must leave this much time before the deadline."""
_FAIR_TIMEOUT_S = 5.0
"""A model that did not respond within this, or within its whole timeout, was too slow itself. With
less time it is the deadline that was exceeded."""


_PARAMS_HINT = (
    "it had the parameters of ALTWRIGHT_MODEL_PARAMS (or params in ALTWRIGHT_FALLBACKS): check them"
)


class Session:
    """The calls of one draft request. A captioner's sessions share `endpoint` and `learned`."""

    def __init__(
        self,
        request: ChatRequest,
        retry_policy: RetryPolicy,
        deadline: Deadline,
        *,
        endpoint: Endpoint,
        learned: LearnedCapabilities,
        shrink: ShrinkImage | None = None,
        reencode: ShrinkImage | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._request = request
        self._retry_policy = retry_policy
        self._deadline = deadline
        self._endpoint = endpoint
        self._learned = learned
        self._shrink = shrink
        self._reencode = reencode
        self._sleep = sleep
        self._retries_left = retry_policy.max_retries
        self._rate_limit_waits_left = retry_policy.max_rate_limit_waits
        self._parameter_changes_left = _MAX_PARAMETER_CHANGES
        self._headroom_steps_left = _MAX_HEADROOM_STEPS
        self._responses: list[ModelResponse] = []
        self._has_untold_tokens = False

    @property
    def untold_uses(self) -> tuple[TokenUse, ...]:
        """Of calls that may be paid, and of which the server told nothing."""
        return (UNKNOWN_TOKEN_USE,) if self._has_untold_tokens else ()

    def token_uses(self, price: TokenPrice | None) -> tuple[TokenUse, ...]:
        """Of all calls so far, where they led to an error."""
        told = (TokenUse(one.input_tokens, one.output_tokens, price) for one in self._responses)
        return (*told, *self.untold_uses)

    @property
    def sent_image(self) -> ModelImage:
        """The image of the last call: a smaller one where the server refused the first."""
        return self._request.image

    async def run(self) -> tuple[ModelResponse, bool]:
        """The response, and whether it was allowed more tokens than the caption's ceiling.

        Its tokens are the sum over all calls. Raises ModelUnavailable, ModelError, ModelTimeout,
        CaptionRefused or one of their children, which tell the circuit breaker how to count it.
        """
        try:
            return await self._run()
        except CaptionError:
            raise
        except Exception as error:
            # Whatever a server sends that nobody foresaw: a fallback is called, and no 500 sent.
            _logger.exception("model.response_unforeseen", extra={"model": self._request.model})
            self._has_untold_tokens = True
            reason = f"{self._request.model}: {type(error).__name__} while a response was read"
            raise RequestSpecificError(log_reason=reason) from None

    async def _run(self) -> tuple[ModelResponse, bool]:
        while True:
            sent = self._learned.current
            outcome = await self._attempt(sent)
            if isinstance(outcome, Failure):
                self._has_untold_tokens |= outcome.may_have_cost
                await self._prepare_retry(outcome, sent)
                continue
            self._responses.append(outcome)
            if self._needs_more_headroom(outcome, sent):
                continue
            may_exceed = self._request.has_own_token_limit or sent.may_exceed_ceiling()
            return self._accept(outcome), may_exceed

    async def _attempt(self, sent: Capabilities) -> ModelResponse | Failure:
        with observe_call(self._request.model, self._endpoint.server) as call:
            try:
                outcome = await self._read(await self._call(sent, call))
            except TransportError as error:
                outcome = classify_transport_error(error)
            call.end(outcome)
        return outcome

    async def _call(self, sent: Capabilities, call: ModelCall) -> HttpResponse:
        request, timeout_s = self._request, self._retry_policy.call_timeout_s
        call_s = min(timeout_s, self._deadline.left_s())
        if call_s <= 0:
            raise DeadlineExceeded(log_reason=f"{request.model}: no time was left for a call")
        image_placeholder = secrets.token_hex(16)
        parameters: dict[str, Any] = {
            "model": request.model,
            "messages": sent.build_messages(
                request.system_prompt, request.user_prompt, image_placeholder, request.detail
            ),
            **sent.build_sampling_parameters(
                request.max_tokens, request.temperature, fixed=request.params.keys()
            ),
        }
        parameters = merge_params(parameters, request.params)
        call.set_parameters(parameters)
        try:
            body = RequestBody(parameters, image_placeholder, request.image.jpeg)
            return await self._endpoint.create_chat_completion(body, call_s)
        except TimeoutError:
            self._has_untold_tokens = True
            reason = f"{request.model}: no response within {call_s:.1f} s"
            if call_s < min(timeout_s, _FAIR_TIMEOUT_S):
                raise DeadlineExceeded(log_reason=reason) from None
            raise ModelTimeout(log_reason=reason) from None

    async def _prepare_retry(self, failure: Failure, sent: Capabilities) -> None:
        """Change what the next call sends, or wait. Raises where another call is not worth it."""
        if self._learn_fewer_tokens(failure, sent):
            return
        if failure.kind in _FINAL_KINDS:
            self._raise(failure)
        if failure.kind is FailureKind.IMAGE_UNREADABLE and self._reencode is not None:
            reencode, self._reencode = self._reencode, None  # once
            self._request = replace(self._request, image=await reencode(self._request.image.jpeg))
            return
        if self._learn_from(failure, sent):
            return
        if failure.kind is FailureKind.IMAGE_TOO_LARGE and self._shrink is not None:
            shrink, self._shrink = self._shrink, None  # once
            self._request = replace(self._request, image=await shrink(self._request.image.jpeg))
            return
        if failure.kind not in (FailureKind.RATE_LIMITED, FailureKind.SERVER_UNAVAILABLE):
            self._raise(failure)
        await self._wait_before_retry(failure)

    def _learn_fewer_tokens(self, failure: Failure, sent: Capabilities) -> bool:
        if failure.error_body is None or not self._parameter_changes_left:
            return False
        learned = learn_fewer_tokens(sent, failure.error_body)
        if learned is None:
            return False
        self._parameter_changes_left -= 1
        self._learned.learn(learned)
        return True

    def _learn_from(self, failure: Failure, sent: Capabilities) -> bool:
        """Whether the failure is about a parameter that the next call can omit or rename."""
        is_rate_limited = failure.kind is FailureKind.RATE_LIMITED
        if failure.error_body is None or is_rate_limited or not self._parameter_changes_left:
            return False
        learned = learn_from_error(
            sent, self._request.temperature, failure.error_body, failure.kind,
            fixed=self._request.params.keys(),
        )  # fmt: skip
        if learned is None:
            return False
        self._parameter_changes_left -= 1
        self._learned.learn(learned)
        return True

    async def _wait_before_retry(self, failure: Failure) -> None:
        """Wait as long as the server asks, else with exponential backoff."""
        policy, named_s = self._retry_policy, failure.retry_after_s
        names_limit = failure.kind is FailureKind.RATE_LIMITED and named_s is not None
        left = self._rate_limit_waits_left if names_limit else self._retries_left
        wait_s = named_s
        if wait_s is None:
            wait_s = _FIRST_BACKOFF_S * 2 ** (policy.max_retries - self._retries_left)
        reason = self._log_reason(failure)
        if named_s is not None and named_s > policy.max_wait_s:
            raise RetryAfterTooLong(log_reason=reason, retry_after_s=named_s)
        if not left or wait_s + _MIN_CALL_S > self._deadline.left_s():
            unavailable = ServerFailed if failure.is_unexplained else ModelUnavailable
            raise unavailable(log_reason=reason, retry_after_s=named_s)
        if names_limit:
            self._rate_limit_waits_left -= 1
        else:
            self._retries_left -= 1
        _logger.info(
            "model.retry_scheduled",
            extra={"model": self._request.model, "wait_s": round(wait_s, 3), "reason": reason},
        )
        # Never less than the server asked for. The jitter spreads requests that were refused at the
        # same time.
        jitter = random.uniform(0.02, 0.25)  # noqa: S311
        await self._sleep(wait_s + jitter * min(wait_s, 1.0))

    async def _read(self, response: HttpResponse) -> ModelResponse | Failure:
        """The model's response, or the failure that an HTTP response stands for."""
        try:
            is_success = 200 <= response.status < 300
            at_once_bytes = _READ_AT_ONCE_BYTES if is_success else _READ_ERROR_AT_ONCE_BYTES
            received = _Received(response, self._request)
            if len(response.body) <= at_once_bytes:
                return _parse(received)
            return await self._endpoint.reading.run_in_thread(_parse, received)
        except RecursionError:
            reason = "the response is nested too deeply"
            return Failure(FailureKind.RESPONSE_INVALID, reason, status=response.status)

    def _needs_more_headroom(self, response: ModelResponse, sent: Capabilities) -> bool:
        """Whether reasoning used up the tokens and a call with more may help: twice a session.

        Later sessions begin with the headroom that was learned here.
        """
        if self._request.has_own_token_limit:
            return False
        is_empty = response.is_empty and not response.refused
        if not (response.has_reasoning or (is_empty and response.truncated)):
            return False
        is_incomplete = is_empty or response.truncated
        more = sent.with_more_headroom() if is_incomplete or not sent.headroom_tokens else sent
        self._learned.learn(more)
        if not is_incomplete or response.refused or not self._headroom_steps_left or more == sent:
            return False
        self._headroom_steps_left -= 1
        return True

    def _accept(self, response: ModelResponse) -> ModelResponse:
        model = self._request.model
        if response.refused:
            raise CaptionRefused(log_reason=f"{model}: the model or its content filter refused")
        if response.is_empty:
            how = "reasoning used up the token limit" if response.truncated else "no text"
            raise EmptyResponse(log_reason=f"{model}: empty response, {how}")
        return replace(
            response,
            input_tokens=_sum_if_known([one.input_tokens for one in self._responses]),
            output_tokens=_sum_if_known([one.output_tokens for one in self._responses]),
        )

    def _raise(self, failure: Failure) -> NoReturn:
        """Raise the caption error for a failure that is not retried."""
        reason, wait_s = self._log_reason(failure), failure.retry_after_s
        self._has_untold_tokens |= failure.kind not in _UNPAID_KINDS
        log_operators_fault(self._request.model, failure, reason)
        match failure.kind:
            case FailureKind.CONTENT_FILTERED:
                raise CaptionRefused(log_reason=reason)
            case (
                FailureKind.IMAGE_REFUSED
                | FailureKind.IMAGE_TOO_LARGE
                | FailureKind.IMAGE_UNREADABLE
            ):
                raise ImageNotAccepted(log_reason=reason)
            case FailureKind.RUNNER_CRASHED:
                raise ModelCrashed(log_reason=reason)
            case FailureKind.QUOTA_EXHAUSTED if wait_s is not None:
                raise RetryAfterTooLong(log_reason=reason, retry_after_s=wait_s)
            case FailureKind.QUOTA_EXHAUSTED | FailureKind.CONNECT_TIMEOUT:
                raise ModelUnavailable(log_reason=reason)
            case _ if failure.is_unexplained:
                raise RequestRejected(log_reason=reason)
            case FailureKind.RESPONSE_INVALID:
                raise RequestSpecificError(log_reason=reason)
            case _:  # the operator must change something
                raise ModelError(log_reason=reason)

    def _log_reason(self, failure: Failure) -> str:
        """The failure for the log: our reason, and what of the server's text may be logged."""
        parts = [f"{self._request.model}: {failure.reason}"]
        if failure.status is not None:
            parts.append(f"HTTP {failure.status}")
        if failure.kind is FailureKind.REQUEST_REJECTED and self._request.params:
            parts.append(_PARAMS_HINT)
        if failure.error_body is not None:
            codes = loggable_codes(failure.error_body.codes)
            if codes:
                parts.append(f"server code: {', '.join(codes)}")
            message = loggable_message(failure.error_body.message)
            if message not in ("", "…"):
                parts.append(f"server message: {message}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class _Received:
    """A response, and the request that tells how it is meant."""

    response: HttpResponse
    request: ChatRequest


def _parse(received: _Received) -> ModelResponse | Failure:
    response, request = received.response, received.request
    status, headers = response.status, response.headers
    if not 200 <= status < 300:
        error = parse_error_body(response.body)
        return classify_error_response(status, headers, error, time.time(), request.errors)
    parsed = parse_response(response.body)
    if isinstance(parsed, ErrorBody):
        return classify_error_response(200, headers, parsed, time.time(), request.errors)
    if isinstance(parsed, InvalidResponse):
        is_wrong_server = parsed.is_wrong_server
        kind = FailureKind.MISCONFIGURED if is_wrong_server else FailureKind.RESPONSE_INVALID
        # The known good image tells whether this image, or one caller's text, makes it respond so.
        return Failure(kind, parsed.reason, status=status, is_unexplained=is_wrong_server)
    return _with_all_tokens(parsed, request) if parsed.uncounted_tokens else parsed


def _with_all_tokens(response: ModelResponse, request: ChatRequest) -> ModelResponse:
    """The tokens of the total that are in no other count: Gemini's thinking, else unknown ones."""
    is_thinking = request.total_has_thinking or "gemini" in (response.model or "").lower()
    written = response.output_tokens
    if not is_thinking or written is None:
        return replace(response, output_tokens=None)
    return replace(response, output_tokens=written + response.uncounted_tokens, uncounted_tokens=0)


def _sum_if_known(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
