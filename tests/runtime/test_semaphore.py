"""A shared amount is never exceeded, never lost, and given out in order."""

import asyncio

import pytest

from app.runtime.semaphore import WeightedSemaphore


async def test_what_fits_is_given_at_once() -> None:
    budget = WeightedSemaphore(10)
    assert budget.try_acquire(4)
    assert budget.try_acquire(6)
    assert not budget.try_acquire(1)
    budget.release(4)
    assert budget.used == 6


async def test_who_came_first_is_served_first_even_if_it_wants_more() -> None:
    """A large request is not starved by small ones that would fit past it."""
    budget = WeightedSemaphore(10)
    await budget.acquire(8)
    order: list[str] = []

    async def take(name: str, amount: int) -> None:
        await budget.acquire(amount)
        order.append(name)

    large = asyncio.create_task(take("large", 9))
    await asyncio.sleep(0)
    small = asyncio.create_task(take("small", 1))
    await asyncio.sleep(0)
    assert not budget.try_acquire(1), "somebody waits"
    budget.release(8)
    await asyncio.gather(large, small)
    assert order == ["large", "small"]


async def test_more_than_all_gets_all_of_it_alone() -> None:
    budget = WeightedSemaphore(10)
    await budget.acquire(99)
    assert budget.used == 10
    budget.release(99)
    assert budget.used == 0


async def test_one_who_gives_up_waiting_takes_nothing_and_blocks_nobody() -> None:
    budget = WeightedSemaphore(10)
    await budget.acquire(5)
    first = asyncio.create_task(budget.acquire(9))
    second = asyncio.create_task(budget.acquire(5))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert budget.used == 10
    assert budget.waiting == 0


async def test_one_cancelled_in_the_moment_it_was_served_gives_back() -> None:
    budget = WeightedSemaphore(10)
    await budget.acquire(10)
    waiter = asyncio.create_task(budget.acquire(10))
    await asyncio.sleep(0)
    budget.release(10)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert budget.used == 0


async def test_a_failing_block_gives_back() -> None:
    budget = WeightedSemaphore(3)
    with pytest.raises(RuntimeError):
        async with budget.hold(3):
            raise RuntimeError
    assert budget.used == 0
