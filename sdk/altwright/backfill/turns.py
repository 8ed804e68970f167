"""Which question begins when, what becomes of a failed try, and when the whole run must stop.

Pure: clocks and chance are handed in. `Turns` says what to do next (`step`), the run does it and
says what came of it (`ended`), then that it is recorded (`recorded`): until then it counts as in
flight, so that a kill loses no more answers than `concurrency`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.tickets import NO_ROOM, Question, Ticket
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
from altwright.throttle import AdaptiveThrottle

ATTEMPTS = 4
"""Of one picture in one run, where the failure is about the picture."""
FIRST_WAIT_S = 2.0
"""Before the second attempt; doubled before each further one."""
_JITTER = 0.25
_OURS = ("style", "styles", "locale", "locales", "max_tokens", "keywords")
"""Fields of a request that are equal for all rows: wrong for one, wrong for all."""

Result = Sequence[Caption | FailedCaption] | AltwrightError


@dataclass(frozen=True, slots=True)
class Start:
    """Ask this now."""

    ticket: Ticket
    question: Question


@dataclass(frozen=True, slots=True)
class Pull:
    """Take the next ask from the journal and `offer` it, or say `exhausted`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until a try has ended, or so many seconds (None: until one has ended)."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left, or the run must stop and nothing is in flight."""


@dataclass(frozen=True, slots=True)
class Done:
    """An answer to record; its rows have an outcome then."""

    answer: RequestResult


@dataclass(frozen=True, slots=True)
class Partly:
    """Texts to keep, before the rest is asked for again."""

    answer: RequestResult


class Turns:
    """One run. All times are readings of one monotonic clock, in seconds."""

    def __init__(
        self,
        asked: CaptionOptions,
        pace: AdaptiveThrottle,
        *,
        concurrency: int,
        patience_s: float,
        longest_wait_s: float,
    ) -> None:
        self.pace = pace
        self.stop: StopReason | None = None
        """Why nothing more begins."""
        self.in_flight = 0
        self._asked = asked
        self._concurrency = concurrency
        self._patience_s = patience_s
        self._longest_wait_s = longest_wait_s
        self._offered: Ticket | None = None
        self._is_exhausted = False
        self._again: list[tuple[float, int, Ticket]] = []
        self._order = itertools.count()
        self._trouble_since_s: float | None = None
        self._accepted_at_s = 0.0

    @property
    def trouble_since_s(self) -> float | None:
        """Since when the server has refused everything or not been there; None: it works."""
        return self._trouble_since_s

    def step(self, now_s: float) -> Start | Pull | Wait | Finished:
        """What to do next."""
        if self.stop is not None:
            return Wait(None) if self.in_flight else Finished()
        due = self._again[0] if self._again else None
        if due is None and self._offered is None and self._is_exhausted:
            return Wait(None) if self.in_flight else Finished()
        if self.in_flight >= self.pace.limit:
            return Wait(None)
        wait_s = self.pace.wait_s(now_s)
        if wait_s > 0:
            return Wait(wait_s)
        if due is not None and due[0] <= now_s:
            return self._start(heapq.heappop(self._again)[2], now_s)
        if self._offered is not None:
            ticket, self._offered = self._offered, None
            return self._start(ticket, now_s)
        has_room = self.in_flight + len(self._again) < 2 * self._concurrency
        if not self._is_exhausted and has_room:
            return Pull()
        return Wait(None if due is None else due[0] - now_s)

    def offer(self, ask: PendingRequest) -> None:
        """The ask that `Pull` wanted."""
        self._offered = Ticket(ask, self._asked)

    def exhausted(self) -> None:
        """There are no more asks, or no more shall be begun."""
        self._is_exhausted = True

    def recorded(self) -> None:
        """A try has ended and what it brought is on the disk."""
        self.in_flight -= 1

    def ended(
        self,
        ticket: Ticket,
        question: Question,
        result: Result,
        *,
        now_s: float,
        now_unix_s: float,
        chance: float,
        is_alive: bool,
    ) -> Done | Partly | None:
        """What to record; None: nothing, it is tried again or the run stops.

        `is_alive` says whether a server answers there, where the connection broke.
        """
        if not is_unsent(result):
            ticket.calls += 1
        if isinstance(result, AltwrightError):
            return self._failed(ticket, question, result, now_s, now_unix_s, chance, is_alive)
        later = ticket.took(result)
        no_room = [text for text in later if text.code in NO_ROOM]
        if no_room and len(no_room) == len(result):
            ticket.was_refused_inside = True
            return self._refused(ticket, None, no_room[0].code, now_s, now_unix_s, chance)
        self._accepted(ticket, now_s)
        if not later:
            ticket.was_refused_inside = False
            if ticket.question() is None:
                return Done(ticket.answer())
            self._requeue(ticket, now_s)
            return Partly(ticket.answer())
        if no_room:
            # Some got through: the server works, and this one asks for the rest by and by.
            ticket.was_refused_inside = True
        ticket.failures += 1
        if ticket.failures >= ATTEMPTS:
            return Done(ticket.answer(later))
        self._requeue(ticket, now_s + _wait_s(ticket.failures, chance))
        return Partly(ticket.answer()) if ticket.has_texts else None

    def _failed(
        self,
        ticket: Ticket,
        question: Question,
        error: AltwrightError,
        now_s: float,
        now_unix_s: float,
        chance: float,
        is_alive: bool,
    ) -> Done | Partly | None:
        if (stop := _hopeless(error)) is not None:
            self.stop = self.stop or stop
            return None
        if isinstance(error, CaptionProblem) and question.is_single:
            self._accepted(ticket, now_s)
            ticket.took_problem(question, error)
            ticket.was_refused_inside = False
            if ticket.question() is None:
                return Done(ticket.answer())
            self._requeue(ticket, now_s)
            return Partly(ticket.answer())
        is_proxy = isinstance(error, UnexpectedResponse)
        if error.code in NO_ROOM or error.status == 429 or (is_proxy and error.retryable):
            what = error.code or str(error)
            return self._refused(ticket, error.retry_after, what, now_s, now_unix_s, chance)
        if isinstance(error, ConnectionFailed) and not (error.reached and is_alive):
            self.pace.unreachable(now_s, chance)
            return self._put_off(ticket, str(error), now_s, now_unix_s, is_about_all=True)
        if error.status is not None or isinstance(error, ConnectionFailed):
            self._accepted(ticket, now_s)
        ticket.failures += 1
        if not error.retryable or ticket.failures >= ATTEMPTS:
            return Done(ticket.answer(error=error))
        wait_s = _wait_s(ticket.failures, chance)
        if error.retry_after is not None:
            wait_s = min(max(wait_s, error.retry_after), self._longest_wait_s)
        self._requeue(ticket, now_s + wait_s)
        return None

    def _refused(
        self,
        ticket: Ticket,
        retry_after_s: float | None,
        what: str,
        now_s: float,
        now_unix_s: float,
        chance: float,
    ) -> Done | None:
        if retry_after_s is not None and retry_after_s > self._longest_wait_s:
            self.stop = self.stop or StopReason.quota(what, now_unix_s + retry_after_s)
            return None
        self.pace.refused(ticket.started_s, retry_after_s, now_s, chance)
        return self._put_off(ticket, what, now_s, now_unix_s, is_about_all=False)

    def _put_off(
        self, ticket: Ticket, what: str, now_s: float, now_unix_s: float, *, is_about_all: bool
    ) -> Done | None:
        """Later, and not counted as an attempt; unless it has been put off for too long."""
        if self._trouble_since_s is None:
            self._trouble_since_s = now_s
        if now_s - self._trouble_since_s > self._patience_s:
            self.stop = self.stop or StopReason.down(what, self._patience_s, now_unix_s)
            return None
        if ticket.first_refused_s is None:
            ticket.first_refused_s = now_s
        elif not is_about_all and now_s - ticket.first_refused_s > self._patience_s:
            # Others get through and this one does not: it is about the picture after all.
            error = AltwrightError(f"refused for {self._patience_s:.0f} seconds: {what}")
            error.code = what
            return Done(ticket.answer(error=error))
        self._requeue(ticket, max(now_s, self.pace.paused_until_s))
        return None

    def _accepted(self, ticket: Ticket, now_s: float) -> None:
        self._trouble_since_s = None
        self.pace.accepted(ticket.started_s, now_s)

    def _requeue(self, ticket: Ticket, due_s: float) -> None:
        heapq.heappush(self._again, (due_s, next(self._order), ticket))

    def _start(self, ticket: Ticket, now_s: float) -> Start:
        question = ticket.question()
        if question is None:
            raise AssertionError("a ticket without a question was queued")
        self.pace.started(now_s)
        ticket.started_s = now_s
        self.in_flight += 1
        return Start(ticket, question)


def is_unsent(result: Result) -> bool:
    """Whether the row itself was at fault, and nothing went out."""
    return isinstance(result, (UsageError, UnreadableImage))


def _hopeless(error: AltwrightError) -> StopReason | None:
    """Wrong for this row, wrong for every row."""
    is_elsewhere = isinstance(error, UnexpectedResponse) and not error.retryable
    if is_elsewhere or isinstance(error, (Unauthorized, NotFound, MethodNotAllowed)):
        return StopReason.of_error(error)
    if isinstance(error, InvalidRequest):
        ours = [each for each in error.errors if each.field.partition(".")[0] in _OURS]
        if ours:
            return StopReason.wrong_server(f"{ours[0].field}: {ours[0].message}")
    return None


def _wait_s(failures: int, chance: float) -> float:
    doubled: float = FIRST_WAIT_S * 2.0 ** (failures - 1)
    # Only ever longer: callers that failed together do not come back together.
    return doubled * (1 + _JITTER * chance)
