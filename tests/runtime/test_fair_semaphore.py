"""No caller takes all places from the others, and a free place goes to who holds the fewest."""

import asyncio

import pytest

from app.runtime.fair_semaphore import FairSemaphore


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def hold(places: FairSemaphore, caller: str, count: int) -> list["asyncio.Task[None]"]:
    """Ask for places one after the other; tasks that are done hold one."""
    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(places.acquire(caller)))
        await asyncio.sleep(0)
    return tasks


def held(tasks: list["asyncio.Task[None]"]) -> int:
    return sum(task.done() for task in tasks)


async def leave(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_caller_who_is_alone_may_use_every_place_and_all_of_the_queue() -> None:
    places = FairSemaphore(8, 4)
    tasks = await hold(places, "anna", 12)
    assert (held(tasks), places.waiting) == (8, 4)
    assert not places.has_room("anna")
    await leave(tasks)


async def test_a_quarter_of_the_places_is_kept_while_another_caller_is_present() -> None:
    clock = Clock()
    places = FairSemaphore(64, 128, clock=clock)
    await places.acquire("bela")
    clock.now_s += 10.0
    places.release("bela")
    tasks = await hold(places, "anna", 64)
    assert held(tasks) == 48
    for _ in range(3):
        assert places.try_acquire("bela")
    assert not places.try_acquire("bela"), "others may come, and find some left"
    await leave(tasks)


async def test_who_gives_places_back_soon_may_take_an_equal_share_of_them() -> None:
    """Requests that come steadily would wait for each other, longer and longer."""
    clock = Clock()
    places = FairSemaphore(64, 128, clock=clock)
    for _ in range(10):
        places.try_acquire("anna")
        clock.now_s += 1.0
        places.release("anna")
        places.try_acquire("bela")
        clock.now_s += 0.5
        places.release("bela")
    tasks = await hold(places, "anna", 64)
    assert held(tasks) == 48, "more than an equal share"
    taken = 0
    while places.try_acquire("bela"):
        taken += 1
    assert taken == 15, "the last one is for somebody who holds none"
    assert places.try_acquire("cora")
    await leave(tasks)


async def test_an_equal_share_beside_twenty_callers_is_three_places() -> None:
    clock = Clock()
    places = FairSemaphore(64, 128, clock=clock)
    names = [f"caller-{number}" for number in range(20)]
    for name, held_s in [(name, 1.0) for name in names] + [("bela", 0.1)] * 9:
        places.try_acquire(name)
        clock.now_s += held_s
        places.release(name)
    clock.now_s += 1.0
    tasks = [task for name in names for task in await hold(places, name, 4)]
    for _ in range(64):  # those who held a place for a second end, and their callers send others
        name = min(names, key=lambda name: -places._count_held(name))
        clock.now_s += 1.0
        places.release(name)
        tasks += await hold(places, name, 1)
    bela = await hold(places, "bela", 4)
    assert held(bela) == 3
    await leave([*tasks, *bela])


async def test_who_is_quicker_than_the_places_that_are_held_now_is_quick() -> None:
    """Those who have just begun to hold theirs long have given none back yet."""
    clock = Clock()
    places = FairSemaphore(64, 128, clock=clock)
    for name, held_s in [("bela", 0.1)] * 3 + [("anna", 0.001)] * 60:
        places.try_acquire(name)
        clock.now_s += held_s
        places.release(name)
    tasks = await hold(places, "anna", 64)
    for _ in range(3):
        assert places.try_acquire("bela")
    assert not places.try_acquire("bela")
    clock.now_s += 1.0
    assert places.try_acquire("bela")
    await leave(tasks)


async def test_who_holds_places_long_gets_no_equal_share_of_the_last_ones() -> None:
    clock = Clock()
    places = FairSemaphore(64, 128, clock=clock)
    for name, held_s in [("anna", 1.0), ("bela", 15.0)] * 10:
        places.try_acquire(name)
        clock.now_s += held_s
        places.release(name)
    tasks = await hold(places, "anna", 64)
    taken = 0
    while places.try_acquire("bela"):
        taken += 1
    assert taken == 3
    await leave(tasks)


async def test_twenty_callers_leave_places_for_the_next_one() -> None:
    places = FairSemaphore(64, 128)
    tasks = [task for number in range(20) for task in await hold(places, f"caller-{number}", 4)]
    assert held(tasks) == 61
    assert places.try_acquire("bela")
    await leave(tasks)


async def test_a_free_place_goes_to_the_caller_who_holds_the_fewest() -> None:
    places = FairSemaphore(3, 16)
    anna = await hold(places, "anna", 7)
    bela = await hold(places, "bela", 2)
    places.release("anna")
    await asyncio.sleep(0)
    assert (held(anna), held(bela)) == (3, 1)
    await leave([*anna, *bela])


async def test_callers_who_hold_equally_many_take_turns() -> None:
    places = FairSemaphore(1, 16)
    places.try_acquire("anna")
    anna, bela = await hold(places, "anna", 3), await hold(places, "bela", 3)
    order = []
    current = "anna"
    for _ in range(4):
        places.release(current)
        await asyncio.sleep(0)
        current = "anna" if held(anna) > order.count("anna") else "bela"
        order.append(current)
    assert order == ["bela", "anna", "bela", "anna"]
    await leave([*anna, *bela])


async def test_who_has_not_been_there_for_ten_minutes_counts_as_absent() -> None:
    clock = Clock()
    places = FairSemaphore(8, 4, clock=clock)
    places.try_acquire("bela")
    places.release("bela")
    clock.now_s = 599.0
    tasks = await hold(places, "anna", 8)
    assert held(tasks) == 6
    clock.now_s = 601.0
    places.release("anna")
    await asyncio.sleep(0)
    assert held(tasks) == 8
    await leave(tasks)


async def test_who_holds_a_place_is_present_for_as_long() -> None:
    clock = Clock()
    places = FairSemaphore(8, 4, clock=clock)
    places.try_acquire("bela")
    clock.now_s = 10_000.0
    tasks = await hold(places, "anna", 8)
    assert held(tasks) == 5, "of eight, one is bela's, and two are kept"
    await leave(tasks)


async def test_a_waiter_that_is_cancelled_takes_no_place() -> None:
    places = FairSemaphore(1, 4)
    places.try_acquire("anna")
    tasks = await hold(places, "anna", 2)
    await leave(tasks[:1])
    assert places.waiting == 1
    places.release("anna")
    await tasks[1]
    assert (places.used, places.waiting) == (1, 0)


async def test_a_waiter_that_is_cancelled_when_its_place_comes_gives_it_back() -> None:
    places = FairSemaphore(1, 4)
    places.try_acquire("anna")
    [task] = await hold(places, "anna", 1)
    places.release("anna")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (places.used, places.waiting) == (0, 0)
    assert places.try_acquire("bela")
