"""The rules of caption_many without its I/O: options of each item, retries, and when to give up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, Generic, TypeVar

from altwright.errors import AltwrightError, ConnectionFailed, UsageError
from altwright.image_input import ImageInput, PreparedImage, prepare_image
from altwright.models import Caption, Role
from altwright.request_builder import Request, build_caption
from altwright.retry import backoff_s
from altwright.scheduler import Scheduler, WorkItem
from altwright.throttle import AdaptiveThrottle

_NO_CAPACITY = (429, 503)
"""Statuses that say nothing about the item: no request would be served now."""


@dataclass(frozen=True, slots=True)
class Job:
    """An item of caption_many with its own options; those that are None are the call's."""

    image: ImageInput
    _: KW_ONLY
    style: str | None = None
    max_tokens: int | None = None
    locale: str | None = None
    context: str | None = None
    role: Role | None = None
    visible_text: str | None = None
    keywords: Sequence[str] | None = None
    verify: bool | None = None
    metadata: Mapping[str, str] | None = None
    ref: object = None
    """For your own use, for instance a row's number. It is not sent."""


Item = ImageInput | Job
AnItem = TypeVar("AnItem", bound=Item)
Outcome = Caption | AltwrightError

_OPTIONS = tuple(each.name for each in fields(Job) if each.name not in ("image", "ref"))


class CaptionItem(WorkItem, Generic[AnItem]):
    """One item of caption_many, and its image once it has been read."""

    def __init__(self, item: AnItem, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.item = item
        self._options = options
        self._prepared: PreparedImage | None = None

    @property
    def must_read_image(self) -> bool:
        """Whether `build_request` will block to read and resize an image."""
        image = self.item.image if isinstance(self.item, Job) else self.item
        return self._prepared is None and not isinstance(image, str)

    def build_request(self) -> Request[Caption]:
        """The request. The image is read once, not for each try: a file may be a pipe."""
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
        return build_caption(self._prepared, **options)


@dataclass(frozen=True, slots=True)
class EndedTry(Generic[AnItem]):
    """One try of an item, and what it returned or raised."""

    work: CaptionItem[AnItem]
    ended_s: float
    outcome: Caption | BaseException


class CaptionManyScheduler(Scheduler[CaptionItem[AnItem]]):
    """Schedules one call of caption_many, and decides which failures are retried."""

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        concurrency: int,
        per_second: float | None,
        patience_s: float,
        max_retries: int,
    ) -> None:
        """Raises UsageError if a number is out of range."""
        if concurrency < 1:
            raise UsageError(f"concurrency must be 1 or more, not {concurrency!r}.")
        if per_second is not None and not per_second > 0:
            raise UsageError(f"per_second must be over 0, or None; not {per_second!r}.")
        if not patience_s >= 0:
            raise UsageError(f"patience must be 0 or more seconds, not {patience_s!r}.")
        throttle = AdaptiveThrottle(concurrency=concurrency, per_second=per_second)
        super().__init__(throttle, concurrency=concurrency)
        self._options = options
        self._patience_s = patience_s
        self._max_retries = max_retries
        self._had_response = False
        self.input_error: Exception | None = None
        """What reading the caller's items raised."""

    def pull_from(self, items: Iterator[AnItem]) -> None:
        """Add the caller's next item, if there is one."""
        try:
            self.add_item(next(items))
        except StopIteration:
            self.close_input()
        except Exception as error:  # noqa: BLE001 - raised once all earlier results are yielded
            self.fail_input(error)

    def add_item(self, item: AnItem) -> None:
        """Add the caller's next item."""
        self.add(CaptionItem(item, self._options))

    def fail_input(self, error: Exception) -> None:
        """Reading the caller's items failed: there are no more."""
        self.input_error = error
        self.close_input()

    def end_try(
        self, work: CaptionItem[AnItem], outcome: Outcome, now_s: float, jitter: float
    ) -> Outcome | None:
        """The outcome to yield to the caller; None if the item will be tried again."""
        self.release()
        if isinstance(outcome, Caption):
            self._record_response(work, now_s)
            return outcome
        due_s = self._next_try_s(work, outcome, now_s, jitter)
        if due_s is None:
            return outcome
        if work.is_aside:
            self.retry_aside(work, due_s)
        else:
            self.retry_at(work, due_s)
        return None

    def _record_response(self, work: CaptionItem[AnItem], now_s: float) -> None:
        self._had_response = True
        self.throttle.record_accepted(work.started_s, now_s)

    def _next_try_s(
        self, work: CaptionItem[AnItem], error: AltwrightError, now_s: float, jitter: float
    ) -> float | None:
        """When to try again; None if that is useless, or too late."""
        if error.status in _NO_CAPACITY:
            if error.retry_after is not None and error.retry_after > self._patience_s:
                # A used-up quota: waiting for it would hold up every other item in silence.
                self.throttle.record_refused(work.started_s, None, now_s, jitter)
                return None
            self.throttle.record_refused(work.started_s, error.retry_after, now_s, jitter)
            return self._within_patience(work, max(now_s, self.throttle.paused_until_s), now_s)
        if isinstance(error, ConnectionFailed) and self._had_response:
            # The server was there before, so it is restarting or a connection broke: no item may
            # be lost because of that.
            if not error.reached:
                self.throttle.record_unreachable(now_s, jitter)
                return self._within_patience(work, max(now_s, self.throttle.paused_until_s), now_s)
            work.failures += 1
            return self._within_patience(work, now_s + backoff_s(work.failures, jitter), now_s)
        if error.status is not None:
            self._record_response(work, now_s)
        work.failures += 1
        if not error.retryable or work.failures > self._max_retries:
            return None
        if error.retry_after is None:
            return now_s + backoff_s(work.failures, jitter)
        # An origin's wait is about this item alone: it is waited out aside, or not at all.
        work.is_aside = True
        return self._within_patience(work, now_s + error.retry_after, now_s)

    def _within_patience(
        self, work: CaptionItem[AnItem], due_s: float, now_s: float
    ) -> float | None:
        if work.first_refused_s is None:
            work.first_refused_s = now_s
        return due_s if due_s - work.first_refused_s <= self._patience_s else None
