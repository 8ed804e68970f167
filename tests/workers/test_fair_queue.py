"""Whose job is next."""

import asyncio

from app.workers.fair_queue import FairQueue
from tests.workers.pools import children, run


def joined(*turns: tuple[str, ...], may_express: bool = True) -> FairQueue[str]:
    line: FairQueue[str] = FairQueue()
    for turn in turns:
        line.join(may_express=may_express, turn=turn)
    return line


def called(line: FairQueue[str], *in_work: tuple[str, ...], is_express: bool = False) -> object:
    waiting = line.call(is_express=is_express, in_work=in_work)
    return waiting and waiting.turn


async def test_among_equals_it_is_first_come_first_served():
    """One caller alone, or nobody in work, is a plain line."""
    line: FairQueue[str] = FairQueue()
    places = [line.join(may_express=True, turn=("anna", "1")) for _ in range(3)]
    assert [line.call(is_express=False, in_work=()).future for _ in range(3)] == places
    assert called(line) is None


async def test_who_has_least_in_work_goes_first():
    """However many stand before, and however long they have."""
    line = joined(("anna", "1"), ("anna", "1"), ("ben", "2"))
    assert called(line, ("anna", "1"), ("anna", "1")) == ("ben", "2")
    assert called(line, ("anna", "1"), ("ben", "2")) == ("anna", "1")


async def test_then_who_had_a_turn_longest_ago():
    """Three callers in front of one child, the first two with many jobs."""
    line = joined(*[("anna",), ("ben",)] * 3, ("cleo",))
    order, done = [], ()
    while (turn := called(line, *done)) is not None:
        order.append(turn[0])
        done = (turn,)
    assert order == ["anna", "ben", "cleo", "anna", "ben", "anna", "ben"]


async def test_one_callers_hosts_take_turns_too():
    """A service that captions what its users name is one caller."""
    line = joined(("anna", "slow"), ("anna", "slow"), ("anna", "quick"), ("ben", "slow"))
    assert called(line, ("anna", "slow"), ("ben", "slow")) == ("anna", "quick")
    assert called(line, ("anna", "slow"), ("anna", "quick")) == ("ben", "slow")


async def test_work_that_ends_what_has_begun_goes_before_both():
    """It belongs to nobody."""
    line = joined(("anna", "1"), ())
    assert called(line) == ()


async def test_costly_jobs_are_not_for_the_express_child():
    """They wait on, and lose no place."""
    line = joined(("anna", "1"), may_express=False)
    assert called(line, is_express=True) is None
    assert len(line) == 1
    assert called(line) == ("anna", "1")


async def test_who_has_left_is_passed_over():
    """A place that is cancelled is no place."""
    line: FairQueue[str] = FairQueue()
    gone = line.join(may_express=True, turn=("anna",))
    line.join(may_express=True, turn=("ben",))
    gone.cancel()
    assert len(line) == 1
    assert called(line) == ("ben",)


async def test_a_caller_with_many_slow_jobs_makes_another_wait_for_one():
    """Eight jobs of 0.2 s stand before the newcomer's, in front of one child."""
    ended = []

    async def job(pool, name):
        await run(pool, "sleep", seconds=0.2, turn=(name,))
        ended.append(name)

    async with children() as pool:
        slow = [asyncio.create_task(job(pool, "many")) for _ in range(8)]
        await asyncio.sleep(0.05)
        await asyncio.gather(job(pool, "one"), *slow)
    assert ended.index("one") == 1
