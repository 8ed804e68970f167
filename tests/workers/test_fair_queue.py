"""Which job runs next."""

import asyncio

from app.workers.fair_queue import FairnessKey, FairQueue
from tests.workers.pools import run, running_pool


def queue_of(*keys: FairnessKey, may_express: bool = True) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue()
    for key in keys:
        queue.enqueue(may_express=may_express, fairness_key=key)
    return queue


def dequeued_key(queue: FairQueue[str], *in_work: FairnessKey, is_express: bool = False) -> object:
    job = queue.dequeue(is_express=is_express, in_work=in_work)
    return job and job.fairness_key


async def test_equal_jobs_run_in_order_of_arrival():
    """Those of one caller, with nothing in work."""
    queue: FairQueue[str] = FairQueue()
    futures = [queue.enqueue(may_express=True, fairness_key=("anna", "1")) for _ in range(3)]
    assert [queue.dequeue(is_express=False, in_work=()).future for _ in range(3)] == futures
    assert dequeued_key(queue) is None


async def test_the_caller_with_the_fewest_jobs_in_work_is_served_first():
    """However many jobs arrived earlier, and however long they have waited."""
    queue = queue_of(("anna", "1"), ("anna", "1"), ("ben", "2"))
    assert dequeued_key(queue, ("anna", "1"), ("anna", "1")) == ("ben", "2")
    assert dequeued_key(queue, ("anna", "1"), ("ben", "2")) == ("anna", "1")


async def test_then_the_caller_who_was_served_longest_ago():
    """Three callers and one child, the first two with many jobs."""
    queue = queue_of(*[("anna",), ("ben",)] * 3, ("cleo",))
    order, finished = [], ()
    while (key := dequeued_key(queue, *finished)) is not None:
        order.append(key[0])
        finished = (key,)
    assert order == ["anna", "ben", "cleo", "anna", "ben", "anna", "ben"]


async def test_the_hosts_of_one_caller_are_served_fairly_too():
    """A service that captions for many users is one caller."""
    queue = queue_of(("anna", "slow"), ("anna", "slow"), ("anna", "quick"), ("ben", "slow"))
    assert dequeued_key(queue, ("anna", "slow"), ("ben", "slow")) == ("anna", "quick")
    assert dequeued_key(queue, ("anna", "slow"), ("anna", "quick")) == ("ben", "slow")


async def test_jobs_with_the_empty_key_are_served_first():
    """They finish requests that are already in work."""
    queue = queue_of(("anna", "1"), ())
    assert dequeued_key(queue) == ()


async def test_expensive_jobs_are_not_given_to_the_express_child():
    """They keep their place in the queue."""
    queue = queue_of(("anna", "1"), may_express=False)
    assert dequeued_key(queue, is_express=True) is None
    assert len(queue) == 1
    assert dequeued_key(queue) == ("anna", "1")


async def test_a_caller_can_be_kept_from_the_express_child():
    """Its jobs keep their place in front of the others."""
    queue = queue_of(("anna", "1"), ("ben", "2"))
    chosen = queue.dequeue(is_express=True, in_work=(), not_express={("anna",)})
    assert chosen.fairness_key == ("ben", "2")
    assert queue.dequeue(is_express=True, in_work=(), not_express={("anna",)}) is None
    assert dequeued_key(queue) == ("anna", "1")


async def test_the_jobs_before_a_new_one_are_counted_in_turns():
    """Of a caller with many only as many as the new job's caller has."""
    queue = queue_of(*[("anna", "1")] * 20, ("ben", "2"), ("cleo",))
    assert queue.count_before(("dora",)) == 3
    assert queue.count_before(("ben", "9")) == 1 + 2 + 1
    assert queue.count_before(("anna", "1")) == 22


async def test_a_cancelled_job_is_skipped():
    """Its future has been cancelled by the caller."""
    queue: FairQueue[str] = FairQueue()
    cancelled = queue.enqueue(may_express=True, fairness_key=("anna",))
    queue.enqueue(may_express=True, fairness_key=("ben",))
    cancelled.cancel()
    assert len(queue) == 1
    assert dequeued_key(queue) == ("ben",)


async def test_a_caller_with_many_slow_jobs_makes_another_wait_for_one():
    """Eight jobs arrive before the other caller's, at a pool of one child."""
    ended = []

    async def job(pool, name):
        await run(pool, "sleep", seconds=0.2, fairness_key=(name,))
        ended.append(name)

    async with running_pool() as pool:
        slow = [asyncio.create_task(job(pool, "many")) for _ in range(8)]
        await asyncio.sleep(0)
        await asyncio.gather(job(pool, "one"), *slow)
    assert ended.index("one") == 1
