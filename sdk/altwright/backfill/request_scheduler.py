"""The retry rules of a backfill: what a failed try means, and when the whole run must stop.

No I/O, and no clock: the caller passes the time in. A try counts as in flight until its result is
recorded (`release`), so that a killed run loses at most `concurrency` results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from altwright.backfill.request_item import NO_CAPACITY, RequestedTexts, RequestItem
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.types import RequestResult
from altwright.errors import (
    AltwrightError,
    CaptionProblem,
    ConnectionFailed,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
    UnexpectedResponse,
    UnreadableImage,
    UsageError,
)
from altwright.models import Caption, FailedCaption
from altwright.scheduler import Scheduler
from altwright.throttle import AdaptiveThrottle

MAX_TRIES = 4
"""Of one request in one run, if the failure is about its image."""
FIRST_WAIT_S = 2.0
"""Before the second try; doubled before each further one."""
_JITTER = 0.25
PROBE_TEXT = "A mug."
"""A text that drivers have checked to see whether the server responds."""
_MAX_REFUSED_BEFORE_SUCCESS = 50
"""So many rows may be refused by something in front of the server (a proxy's 403) while no row has
been accepted yet. More of them say that the path is blocked, and the run stops."""
_SHARED_FIELDS = ("style", "styles", "locale", "locales", "max_tokens", "verify")
"""Fields that are the same in all requests of a run: an error in one is an error in all."""

CallOutcome = Sequence[Caption | FailedCaption] | AltwrightError


@dataclass(frozen=True, slots=True)
class Now:
    """The time at which a try ended, and the random part of the waits that follow from it."""

    monotonic_s: float
    unix_s: float
    jitter: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class ResultToRecord:
    """What the journal must record after a try."""

    result: RequestResult
    is_complete: bool
    """False: some texts are there, and the rest will be requested again."""


class RequestScheduler(Scheduler[RequestItem]):
    """Schedules the requests of one run."""

    def __init__(
        self,
        throttle: AdaptiveThrottle,
        *,
        concurrency: int,
        patience_s: float,
        longest_wait_s: float,
    ) -> None:
        """`patience_s`: how long the server may be unavailable before the run stops.

        `longest_wait_s`: a longer Retry-After means an exhausted quota, and stops the run.
        """
        super().__init__(throttle, concurrency=concurrency)
        self.stop_reason: StopReason | None = None
        self._patience_s = patience_s
        self._longest_wait_s = longest_wait_s
        self._unavailable_since_s: float | None = None
        self._has_accepted = False
        self._refused_by_proxy = 0

    @property
    def unavailable_since_s(self) -> float | None:
        """Since when the server has refused everything or been unreachable; None: it works."""
        return self._unavailable_since_s

    def stop_because(self, reason: StopReason) -> None:
        """Start nothing more. If there was a reason before, it is kept."""
        self.stop_reason = self.stop_reason or reason
        self.stop()

    def end_try(
        self,
        item: RequestItem,
        requested: RequestedTexts,
        outcome: CallOutcome,
        now: Now,
        *,
        is_server_alive: bool,
    ) -> ResultToRecord | None:
        """What to record; None if the request is retried or the run stops.

        `is_server_alive`: whether the server responds, if `needs_probe` of the outcome is true.
        """
        if not is_unsent(outcome):
            item.calls += 1
        if isinstance(outcome, AltwrightError):
            return self._fail(item, requested, outcome, now, is_server_alive=is_server_alive)
        unsettled = item.add_results(outcome)
        refused = [text for text in unsettled if text.code in NO_CAPACITY]
        if refused and len(refused) == len(outcome):
            item.request_single = True
            return self._refuse(item, None, refused[0].code, now)
        self._accept(item, now)
        if not unsettled:
            return self._settle(item, now)
        if refused:
            # The server works, since it returned other texts: request the rest one by one.
            item.request_single = True
        item.failures += 1
        if item.failures >= MAX_TRIES:
            return ResultToRecord(item.to_result(unsettled), is_complete=True)
        self.retry_at(item, now.monotonic_s + _backoff_s(item.failures, now.jitter))
        return ResultToRecord(item.to_result(), is_complete=False) if item.has_texts else None

    def _settle(self, item: RequestItem, now: Now) -> ResultToRecord:
        """All texts of the last call are settled; request those that are still missing."""
        item.request_single = False
        if not item.is_complete:
            self.retry_at(item, now.monotonic_s)
        return ResultToRecord(item.to_result(), is_complete=item.is_complete)

    def _fail(
        self,
        item: RequestItem,
        requested: RequestedTexts,
        error: AltwrightError,
        now: Now,
        *,
        is_server_alive: bool,
    ) -> ResultToRecord | None:
        reason = _stop_reason(error)
        if is_foreign_refusal(error):
            reason = self._reason_for_refusal(error, is_server_alive=is_server_alive)
        if reason is not None:
            self.stop_because(reason)
            return None
        if isinstance(error, CaptionProblem) and requested.is_single:
            self._accept(item, now)
            item.add_problem(requested, error)
            return self._settle(item, now)
        is_proxy = isinstance(error, UnexpectedResponse)
        if error.code in NO_CAPACITY or error.status == 429 or (is_proxy and error.retryable):
            return self._refuse(item, error.retry_after, error.code or str(error), now)
        if isinstance(error, ConnectionFailed) and not (error.reached and is_server_alive):
            self.throttle.record_unreachable(now.monotonic_s, now.jitter)
            return self._postpone(item, str(error), now, is_server_down=True)
        has_response = error.status is not None or isinstance(error, ConnectionFailed)
        if has_response and not is_foreign_refusal(error):
            self._accept(item, now)
        item.failures += 1
        own_wait_s = error.retry_after or 0.0
        is_final = not error.retryable or item.failures >= MAX_TRIES
        # A wait that is too long for this run is the next run's: it is never cut short.
        if is_final or own_wait_s > self._longest_wait_s:
            return ResultToRecord(item.to_result(error=error), is_complete=True)
        wait_s = max(_backoff_s(item.failures, now.jitter), own_wait_s)
        self.retry_aside(item, now.monotonic_s + wait_s)
        return None

    def _reason_for_refusal(
        self, error: AltwrightError, *, is_server_alive: bool
    ) -> StopReason | None:
        """Why a refusal by another program than the server is every row's; None: it is this row's.

        A firewall in front of the server may refuse one row's URL or context, or one file's size.
        """
        is_page = error.status is None or error.status < 400
        if not is_server_alive or (is_page and not self._has_accepted):
            return StopReason.from_error(error)
        self._refused_by_proxy += 1
        if self._has_accepted or self._refused_by_proxy < _MAX_REFUSED_BEFORE_SUCCESS:
            return None
        return StopReason.wrong_server(
            f"{self._refused_by_proxy} rows were refused before one was accepted: {error}"
        )

    def _refuse(
        self, item: RequestItem, retry_after_s: float | None, code: str, now: Now
    ) -> ResultToRecord | None:
        """The server had no capacity for the request."""
        if retry_after_s is not None and retry_after_s > self._longest_wait_s:
            self.stop_because(StopReason.quota_exhausted(code, now.unix_s + retry_after_s))
            return None
        self.throttle.record_refused(item.started_s, retry_after_s, now.monotonic_s, now.jitter)
        return self._postpone(item, code, now, is_server_down=False)

    def _postpone(
        self, item: RequestItem, code: str, now: Now, *, is_server_down: bool
    ) -> ResultToRecord | None:
        """Retry later without counting a try, unless that has gone on for too long."""
        now_s = now.monotonic_s
        if self._unavailable_since_s is None:
            self._unavailable_since_s = now_s
        if now_s - self._unavailable_since_s > self._patience_s:
            self.stop_because(StopReason.server_unavailable(code, self._patience_s, now.unix_s))
            return None
        if item.first_refused_s is None:
            item.first_refused_s = now_s
        elif not is_server_down and now_s - item.first_refused_s > self._patience_s:
            # Other requests are accepted and this one is not: the failure is about its image.
            error = AltwrightError(f"refused for {self._patience_s:.0f} seconds: {code}")
            error.code = code
            return ResultToRecord(item.to_result(error=error), is_complete=True)
        self.retry_at(item, max(now_s, self.throttle.paused_until_s))
        return None

    def _accept(self, item: RequestItem, now: Now) -> None:
        """The server processed the request, whether or not it succeeded."""
        self._unavailable_since_s = None
        self._has_accepted = True
        self.throttle.record_accepted(item.started_s, now.monotonic_s)


def is_unsent(outcome: CallOutcome) -> bool:
    """Whether nothing was sent, because the row itself is wrong."""
    return isinstance(outcome, (UsageError, UnreadableImage))


def is_foreign_refusal(outcome: CallOutcome) -> bool:
    """Whether something other than the server has refused the request, for instance a proxy."""
    return isinstance(outcome, UnexpectedResponse) and not outcome.retryable


def needs_probe(outcome: CallOutcome) -> bool:
    """Whether `end_try` must know if the server responds to another request."""
    is_broken = isinstance(outcome, ConnectionFailed) and outcome.reached
    return is_broken or is_foreign_refusal(outcome)


def _stop_reason(error: AltwrightError) -> StopReason | None:
    """The reason to stop if every other row would fail with this error too."""
    if isinstance(error, (Unauthorized, NotFound, MethodNotAllowed)):
        return StopReason.from_error(error)
    if isinstance(error, InvalidRequest):
        shared = [e for e in error.errors if e.field.partition(".")[0] in _SHARED_FIELDS]
        if shared:
            return StopReason.wrong_server(f"{shared[0].field}: {shared[0].message}")
    return None


def _backoff_s(failures: int, jitter: float) -> float:
    doubled: float = FIRST_WAIT_S * 2.0 ** (failures - 1)
    # The jitter only ever adds to a wait: requests that failed together do not retry together.
    return doubled * (1 + _JITTER * jitter)
