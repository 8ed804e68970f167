"""An amount is never exceeded, never lost, and granted in order."""

import asyncio

import pytest

from app.runtime.semaphore import WeightedSemaphore


async def test_what_fits_is_granted_at_once() -> None:
    semaphore = WeightedSemaphore(10)
    assert semaphore.try_acquire(4)
    assert semaphore.try_acquire(6)
    assert not semaphore.try_acquire(1)
    semaphore.release(4)
    assert semaphore.used == 6


async def test_the_first_to_come_is_served_first_even_if_it_wants_more() -> None:
    """Small requests that would fit do not overtake a large one."""
    semaphore = WeightedSemaphore(10)
    await semaphore.acquire(8)
    order: list[str] = []

    async def take(name: str, amount: int) -> None:
        await semaphore.acquire(amount)
        order.append(name)

    large = asyncio.create_task(take("large", 9))
    await asyncio.sleep(0)
    small = asyncio.create_task(take("small", 1))
    await asyncio.sleep(0)
    assert not semaphore.try_acquire(1), "two are waiting"
    assert semaphore.waiting == 2
    semaphore.release(8)
    await asyncio.gather(large, small)
    assert order == ["large", "small"]


async def test_more_than_the_total_gets_the_total_alone() -> None:
    semaphore = WeightedSemaphore(10)
    await semaphore.acquire(99)
    assert semaphore.used == 10
    semaphore.release(99)
    assert semaphore.used == 0


async def test_a_cancelled_waiter_takes_nothing_and_blocks_no_one() -> None:
    semaphore = WeightedSemaphore(10)
    await semaphore.acquire(5)
    first = asyncio.create_task(semaphore.acquire(9))
    second = asyncio.create_task(semaphore.acquire(5))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert semaphore.used == 10
    assert semaphore.waiting == 0


async def test_a_waiter_cancelled_at_the_moment_of_its_grant_gives_back() -> None:
    semaphore = WeightedSemaphore(10)
    await semaphore.acquire(10)
    waiter = asyncio.create_task(semaphore.acquire(10))
    await asyncio.sleep(0)
    semaphore.release(10)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert semaphore.used == 0


async def test_a_block_that_raises_gives_back() -> None:
    semaphore = WeightedSemaphore(3)

    async def fail() -> None:
        async with semaphore.hold(3):
            assert semaphore.used == 3
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert semaphore.used == 0


async def test_callers_are_served_in_turns_whoever_has_the_most_requests() -> None:
    """Who holds the least is next; requests of one caller keep their order."""
    semaphore = WeightedSemaphore(10)
    await semaphore.acquire(10, "anna")
    order: list[str] = []

    async def take(caller: str, name: str) -> None:
        async with semaphore.hold(6, caller):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(take("anna", str(number)))
        await asyncio.sleep(0)
        group.create_task(take("bob", "bob"))
        await asyncio.sleep(0)
        semaphore.release(10, "anna")
    assert order == ["bob", "0", "1", "2", "3", "4"]
    assert (semaphore.used, semaphore.waiting) == (0, 0)


async def test_nothing_is_remembered_of_callers_who_are_gone() -> None:
    semaphore = WeightedSemaphore(10)
    for number in range(100):
        async with semaphore.hold(10, str(number)):
            waiting = asyncio.create_task(semaphore.acquire(5, f"waiting-{number}"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    assert (semaphore._held, semaphore._waiting, semaphore._last_served) == ({}, {}, {})
