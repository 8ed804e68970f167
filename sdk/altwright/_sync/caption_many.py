# Generated from altwright/_async/caption_many.py by sdk/unasync.py. Do not edit.
"""The loop of caption_many."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable

from altwright._sync.backend import Workers
from altwright.caption_many import AnItem, CaptionItem, CaptionManyScheduler, Outcome
from altwright.errors import AltwrightError
from altwright.models import Caption
from altwright.scheduler import Action, Finished, Start, Wait
from altwright.transport import random_jitter


def run_caption_many(
    scheduler: CaptionManyScheduler[AnItem],
    items: Iterable[AnItem],
    try_item: Callable[[CaptionItem[AnItem]], Caption],
) -> Generator[tuple[AnItem, Outcome], None, None]:
    """Do what the scheduler says, and yield each item with its outcome.

    An exception from reading the items is raised once all earlier items have been yielded.
    """
    workers = Workers(try_item, items, scheduler.concurrency)
    try:
        result: tuple[AnItem, Outcome] | None = None
        while True:
            action: Action[CaptionItem[AnItem]] = scheduler.next_action(time.monotonic())
            while not isinstance(action, (Wait, Finished)):
                if isinstance(action, Start):
                    workers.start(action.item)
                else:
                    workers.pull(scheduler)
                action = scheduler.next_action(time.monotonic())
            if result is not None:  # yielded only now: the next requests are already in flight
                yield result
                result = None
            elif isinstance(action, Finished):
                break
            else:
                result = _next_result(scheduler, workers, action.timeout_s)
    finally:
        workers.close()
    if scheduler.input_error is not None:
        raise scheduler.input_error


def _next_result(
    scheduler: CaptionManyScheduler[AnItem], workers: Workers[AnItem], timeout_s: float | None
) -> tuple[AnItem, Outcome] | None:
    """An item that is done; None after `timeout_s`, or if the item will be tried again."""
    ended = workers.next_ended(timeout_s)
    if ended is None:
        return None
    if not isinstance(ended.outcome, (Caption, AltwrightError)):
        raise ended.outcome
    outcome = scheduler.end_try(ended.work, ended.outcome, ended.ended_s, random_jitter())
    return None if outcome is None else (ended.work.item, outcome)
