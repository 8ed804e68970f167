"""caption_many without its I/O: which item begins when, and what becomes of a failed try.

`Many` says what to do next (`step`); the two shells (many_sync, many_async) do it and say what came
of it (`ended`).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, Generic, TypeVar

from altwright import wire
from altwright.errors import AltwrightError, ConnectionFailed, UsageError
from altwright.image_input import ImageInput, PreparedImage, prepare_image
from altwright.models import Caption
from altwright.retry import backoff_s
from altwright.throttle import AdaptiveThrottle
from altwright.wire import Call, Role

_NO_ROOM = (429, 503)
"""Not about this item: the server has no room, or no captioner, for anybody."""


@dataclass(frozen=True, slots=True)
class Job:
    """An item of caption_many with options of its own; what is None is as for all items."""

    image: ImageInput
    _: KW_ONLY
    style: str | None = None
    max_tokens: int | None = None
    locale: str | None = None
    context: str | None = None
    role: Role | None = None
    keywords: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None
    ref: object = None
    """Yours: a row's number, a record. It is not sent."""


Item = ImageInput | Job
AnItem = TypeVar("AnItem", bound=Item)
Outcome = Caption | AltwrightError

_OPTIONS = tuple(each.name for each in fields(Job) if each.name not in ("image", "ref"))


class Ticket(Generic[AnItem]):
    """One item on its way."""

    __slots__ = (
        "_options",
        "_prepared",
        "failures",
        "first_refused_s",
        "item",
        "started_s",
    )

    def __init__(self, item: AnItem, options: Mapping[str, Any]) -> None:
        self.item = item
        self._options = options
        self._prepared: PreparedImage | None = None
        self.failures = 0
        self.first_refused_s: float | None = None
        self.started_s = 0.0

    @property
    def must_read(self) -> bool:
        """Whether `call` will read and compute; a URL costs nothing."""
        image = self.item.image if isinstance(self.item, Job) else self.item
        return self._prepared is None and not isinstance(image, str)

    def call(self) -> Call[Caption]:
        """The request. A picture is read once, however often it is tried: a file may be a pipe."""
        image: ImageInput
        options = dict(self._options)
        if isinstance(self.item, Job):
            image = self.item.image
            own = {name: getattr(self.item, name) for name in _OPTIONS}
            options.update({name: value for name, value in own.items() if value is not None})
        else:
            image = self.item
        if self._prepared is None:
            self._prepared = prepare_image(image)
        return wire.caption(self._prepared, **options)


@dataclass(frozen=True, slots=True)
class Start(Generic[AnItem]):
    """Try this item now."""

    ticket: Ticket[AnItem]


@dataclass(frozen=True, slots=True)
class Pull:
    """Take one more item from the caller's and `offer` it, or say `exhausted`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until a try has ended, or so many seconds (None: until one has ended)."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Every item has been told."""


Step = Start[AnItem] | Pull | Wait | Finished


class Many(Generic[AnItem]):
    """One run. All times are readings of one monotonic clock, in seconds.

    Holds at most twice `concurrency` items, however many there are.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        concurrency: int,
        per_second: float | None,
        patience_s: float,
        max_retries: int,
    ) -> None:
        """Raises UsageError where a number cannot be right."""
        if concurrency < 1:
            raise UsageError(f"concurrency is 1 or more, not {concurrency!r}.")
        if per_second is not None and not per_second > 0:
            raise UsageError(f"per_second is over 0, or None; not {per_second!r}.")
        if not patience_s >= 0:
            raise UsageError(f"patience is 0 or more seconds, not {patience_s!r}.")
        self.concurrency = concurrency
        self.pace = AdaptiveThrottle(concurrency=concurrency, per_second=per_second)
        self._options = options
        self._patience_s = patience_s
        self._max_retries = max_retries
        self._offered: Ticket[AnItem] | None = None
        self._is_pulling = False
        self._is_exhausted = False
        self._in_flight = 0
        self._again: list[tuple[float, int, Ticket[AnItem]]] = []
        self._order = itertools.count()
        self._was_answered = False

    def step(self, now_s: float) -> Step[AnItem]:
        """What to do next. A ticket that is handed out counts as in flight until it has `ended`."""
        due = self._again[0] if self._again else None
        has_work = due is not None or self._offered is not None or not self._is_exhausted
        if not has_work:
            return Wait(None) if self._in_flight else Finished()
        if self._in_flight >= self.pace.limit:
            return Wait(None)
        wait_s = self.pace.wait_s(now_s)
        if wait_s > 0:
            return Wait(wait_s)
        if due is not None and due[0] <= now_s:
            return self._start(heapq.heappop(self._again)[2], now_s)
        if self._offered is not None:
            ticket, self._offered = self._offered, None
            return self._start(ticket, now_s)
        has_room = self._in_flight + len(self._again) < 2 * self.concurrency
        if not (self._is_exhausted or self._is_pulling) and has_room:
            self._is_pulling = True
            return Pull()
        return Wait(None if due is None else due[0] - now_s)

    def offer(self, item: AnItem) -> None:
        """The item that `Pull` asked for."""
        self._is_pulling = False
        self._offered = Ticket(item, self._options)

    def exhausted(self) -> None:
        """There are no more items."""
        self._is_pulling = False
        self._is_exhausted = True

    def ended(
        self, ticket: Ticket[AnItem], outcome: Outcome, now_s: float, chance: float
    ) -> Outcome | None:
        """What to tell the caller about the item; None: it will be tried again."""
        self._in_flight -= 1
        if isinstance(outcome, Caption):
            self._answered(ticket, now_s)
            return outcome
        due_s = self._due_s(ticket, outcome, now_s, chance)
        if due_s is None:
            return outcome
        heapq.heappush(self._again, (due_s, next(self._order), ticket))
        return None

    def _start(self, ticket: Ticket[AnItem], now_s: float) -> Start[AnItem]:
        self.pace.started(now_s)
        ticket.started_s = now_s
        self._in_flight += 1
        return Start(ticket)

    def _answered(self, ticket: Ticket[AnItem], now_s: float) -> None:
        self._was_answered = True
        self.pace.accepted(ticket.started_s, now_s)

    def _due_s(
        self, ticket: Ticket[AnItem], error: AltwrightError, now_s: float, chance: float
    ) -> float | None:
        """When to try the item again; None where that would be for nothing, or too late."""
        if error.status in _NO_ROOM:
            self.pace.refused(ticket.started_s, error.retry_after, now_s, chance)
            return self._within_patience(ticket, max(now_s, self.pace.paused_until_s), now_s)
        if isinstance(error, ConnectionFailed) and self._was_answered:
            # It has been there: it restarts, or a connection broke. Items must not get lost in it.
            if not error.reached:
                self.pace.unreachable(now_s, chance)
                return self._within_patience(ticket, max(now_s, self.pace.paused_until_s), now_s)
            ticket.failures += 1
            return self._within_patience(ticket, now_s + backoff_s(ticket.failures, chance), now_s)
        if error.status is not None:
            self._answered(ticket, now_s)
        ticket.failures += 1
        if not error.retryable or ticket.failures > self._max_retries:
            return None
        wait_s = error.retry_after
        return now_s + (backoff_s(ticket.failures, chance) if wait_s is None else wait_s)

    def _within_patience(self, ticket: Ticket[AnItem], due_s: float, now_s: float) -> float | None:
        if ticket.first_refused_s is None:
            ticket.first_refused_s = now_s
        return due_s if due_s - ticket.first_refused_s <= self._patience_s else None
