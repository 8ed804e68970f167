"""Between SIGTERM and the end: deadlines shrink, nothing is lost."""

import asyncio
import time

import pytest

from app.runtime.drain import Drain


async def test_work_that_runs_is_shortened_by_the_drain() -> None:
    drain = Drain()

    async def work() -> None:
        async with drain.limit(60):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    drain.shorten(0.05)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await task
    assert time.monotonic() - began < 5


async def test_work_that_starts_later_is_shortened_too() -> None:
    drain = Drain()
    drain.shorten(0.05)
    with pytest.raises(TimeoutError):
        async with drain.limit(60):
            await asyncio.sleep(60)


async def test_a_sooner_deadline_stays() -> None:
    drain = Drain()
    began = time.monotonic()

    async def work() -> None:
        async with drain.limit(0.05):
            drain.shorten(30)
            await asyncio.sleep(30)

    with pytest.raises(TimeoutError):
        await work()
    assert time.monotonic() - began < 5
