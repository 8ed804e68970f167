"""The scheduler that caption_many and the backfill share. Time is simulated."""

from altwright.scheduler import Finished, Pull, Scheduler, Start, Wait, WorkItem
from altwright.throttle import AdaptiveThrottle


def make_scheduler(concurrency: int = 2) -> Scheduler[WorkItem]:
    throttle = AdaptiveThrottle(concurrency=concurrency, per_second=None)
    return Scheduler(throttle, concurrency=concurrency)


def start_item(scheduler: Scheduler[WorkItem], now_s: float = 0.0) -> WorkItem:
    """Pull an item and start it."""
    assert scheduler.next_action(now_s) == Pull()
    item = WorkItem()
    scheduler.add(item)
    assert scheduler.next_action(now_s) == Start(item)
    return item


def test_an_item_is_pulled_started_and_released() -> None:
    scheduler = make_scheduler()
    item = start_item(scheduler, now_s=5.0)
    assert (item.started_s, scheduler.in_flight) == (5.0, 1)
    scheduler.close_input()
    assert scheduler.next_action(5.0) == Wait(None)
    scheduler.release()
    assert scheduler.next_action(5.0) == Finished()


def test_one_input_is_pulled_at_a_time() -> None:
    scheduler = make_scheduler()
    assert scheduler.next_action(0.0) == Pull()
    assert scheduler.next_action(0.0) == Wait(None)


def test_no_more_than_concurrency_items_are_in_flight() -> None:
    scheduler = make_scheduler(concurrency=2)
    start_item(scheduler)
    start_item(scheduler)
    assert scheduler.next_action(0.0) == Wait(None)


def test_a_retry_starts_when_it_is_due_and_before_new_items() -> None:
    scheduler = make_scheduler()
    item = start_item(scheduler)
    scheduler.release()
    scheduler.retry_at(item, 10.0)
    assert scheduler.next_action(1.0) == Pull()
    scheduler.close_input()
    assert scheduler.next_action(1.0) == Wait(9.0)
    assert scheduler.next_action(10.0) == Start(item)


def test_items_that_wait_for_a_retry_limit_what_is_pulled() -> None:
    scheduler = make_scheduler(concurrency=1)
    for _ in range(2):
        item = start_item(scheduler)
        scheduler.release()
        scheduler.retry_at(item, 10.0)
    assert scheduler.next_action(0.0) == Wait(10.0)


def test_a_stopped_scheduler_starts_nothing_and_finishes_with_the_last_item() -> None:
    scheduler = make_scheduler()
    item = start_item(scheduler)
    scheduler.retry_at(WorkItem(), 0.0)
    scheduler.stop()
    assert scheduler.next_action(0.0) == Wait(None)
    scheduler.retry_at(item, 0.0)
    scheduler.release()
    assert scheduler.next_action(0.0) == Finished()


def test_a_pause_of_the_throttle_delays_every_start() -> None:
    scheduler = make_scheduler()
    start_item(scheduler)
    scheduler.release()
    scheduler.throttle.record_refused(0.0, 3.0, 1.0, jitter=0.0)
    assert scheduler.next_action(1.0) == Wait(3.0)
