"""Decide when each work item is tried: the scheduler of caption_many and of the backfill.

It does no I/O and reads no clock. A driver asks for the `next_action`, does it, and reports what
happened. What a failed try means (retry, give up, stop) is decided by the subclass.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import Generic, TypeVar

from altwright.throttle import AdaptiveThrottle

MAX_ASIDE_ITEMS = 256
"""Items that wait for a time of their own, in memory besides the others."""


class WorkItem:
    """The retry state of one piece of work; subclasses add the work itself."""

    def __init__(self) -> None:
        self.started_s = 0.0
        """When the current or latest try started."""
        self.failures = 0
        """Failed tries, without those that the server had no capacity for."""
        self.first_refused_s: float | None = None
        """When a try first failed because of the server's state."""
        self.is_aside = False
        """It waits for a time of its own, as an origin's Retry-After, and takes no room."""


WorkT = TypeVar("WorkT", bound=WorkItem)


@dataclass(frozen=True, slots=True)
class Start(Generic[WorkT]):
    """Try this item now."""

    item: WorkT


@dataclass(frozen=True, slots=True)
class Pull:
    """Take the next input and `add` it, or call `close_input` if there is none."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a try has ended, but no longer than `timeout_s` (None: no limit)."""

    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left to do."""


Action = Start[WorkT] | Pull | Wait | Finished


class Scheduler(Generic[WorkT]):
    """One run. All times are readings of one monotonic clock, in seconds.

    Holds at most `2 * concurrency` items: in flight, or waiting for a retry. Items that wait for a
    time of their own (`retry_aside`) are not among them: the others go on.
    """

    def __init__(self, throttle: AdaptiveThrottle, *, concurrency: int) -> None:
        self.throttle = throttle
        self.concurrency = concurrency
        self.in_flight = 0
        self._pulled: WorkT | None = None
        self._is_pulling = False
        self._is_input_closed = False
        self._is_stopped = False
        self._retries: list[tuple[float, int, WorkT]] = []
        self._aside = 0
        self._sequence = itertools.count()

    def next_action(self, now_s: float) -> Action[WorkT]:
        """What to do next. An item that is started counts as in flight until `release`."""
        retry_s = self._retries[0][0] if self._retries else None
        has_work = retry_s is not None or self._pulled is not None or not self._is_input_closed
        if self._is_stopped or not has_work:
            return Wait(None) if self.in_flight else Finished()
        if self.in_flight >= self.throttle.max_in_flight:
            return Wait(None)
        delay_s = self.throttle.delay_s(now_s)
        if delay_s > 0:
            return Wait(delay_s)
        if retry_s is not None and retry_s <= now_s:
            due = heapq.heappop(self._retries)[2]
            self._aside -= due.is_aside
            due.is_aside = False
            return self._start(due, now_s)
        if self._pulled is not None:
            item, self._pulled = self._pulled, None
            return self._start(item, now_s)
        has_room = self.in_flight + len(self._retries) - self._aside < 2 * self.concurrency
        if has_room and not (self._is_input_closed or self._is_pulling):
            self._is_pulling = True
            return Pull()
        return Wait(None if retry_s is None else retry_s - now_s)

    def add(self, item: WorkT) -> None:
        """The item that `Pull` asked for."""
        self._is_pulling = False
        self._pulled = item

    def close_input(self) -> None:
        """There are no more items."""
        self._is_pulling = False
        self._is_input_closed = True

    def stop(self) -> None:
        """Start nothing more; the run is finished when nothing is in flight."""
        self._is_stopped = True

    def release(self) -> None:
        """An item that was started is no longer in flight."""
        self.in_flight -= 1

    def retry_at(self, item: WorkT, due_s: float) -> None:
        """Try the item again at this time or later."""
        heapq.heappush(self._retries, (due_s, next(self._sequence), item))

    def retry_aside(self, item: WorkT, due_s: float) -> None:
        """As `retry_at`, for a wait that concerns this item alone, and that others do not share."""
        if self._aside < MAX_ASIDE_ITEMS:
            item.is_aside = True
            self._aside += 1
        self.retry_at(item, due_s)

    def _start(self, item: WorkT, now_s: float) -> Start[WorkT]:
        self.throttle.record_start(now_s)
        item.started_s = now_s
        self.in_flight += 1
        return Start(item)
