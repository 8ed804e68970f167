"""From SIGTERM to the end of the process, timeouts are shortened."""

import asyncio

import pytest

from app.runtime.drain import Drain

pytestmark = pytest.mark.usefixtures("virtual_time")


async def seconds_of_work(drain: Drain, timeout_s: float) -> float:
    """How long work runs that would never end."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    with pytest.raises(TimeoutError):
        async with drain.timeout(timeout_s):
            await asyncio.sleep(10_000)
    return loop.time() - began_s


async def test_without_a_drain_work_has_its_own_timeout() -> None:
    assert await seconds_of_work(Drain(), 60) == pytest.approx(60)


async def test_work_in_progress_is_shortened() -> None:
    drain = Drain()
    work = asyncio.create_task(seconds_of_work(drain, 60))
    await asyncio.sleep(5)
    drain.shorten_timeouts(13)
    assert await work == pytest.approx(5 + 13)


async def test_work_that_starts_later_has_what_is_left_of_the_drain() -> None:
    drain = Drain()
    drain.shorten_timeouts(13)
    await asyncio.sleep(3)
    assert await seconds_of_work(drain, 60) == pytest.approx(10)
    assert await seconds_of_work(drain, 60) == 0


async def test_a_sooner_timeout_stays_as_it_is() -> None:
    drain = Drain()
    work = asyncio.create_task(seconds_of_work(drain, 2))
    await asyncio.sleep(1)
    drain.shorten_timeouts(13)
    assert await work == pytest.approx(2)
    assert await seconds_of_work(drain, 1) == pytest.approx(1)


async def test_only_the_first_shortening_counts() -> None:
    """The server calls it ten times a second."""
    drain = Drain()
    work = asyncio.create_task(seconds_of_work(drain, 60))
    await asyncio.sleep(0)
    for _ in range(5):
        drain.shorten_timeouts(13)
        await asyncio.sleep(1)
    assert await work == pytest.approx(13)


async def test_beginning_a_drain_only_says_so() -> None:
    """It is called in a signal handler. New work is still taken: the notice has begun."""
    drain = Drain()
    assert not drain.is_draining
    drain.begin()
    assert drain.is_draining
    assert not drain.is_refusing


async def test_after_the_notice_new_work_is_refused() -> None:
    drain = Drain()
    drain.begin()
    drain.refuse_new_work()
    assert drain.is_draining
    assert drain.is_refusing


async def test_a_duration_is_shortened_to_what_is_left_of_the_drain() -> None:
    drain = Drain()
    assert drain.shorten(30) == 30
    drain.shorten_timeouts(15)
    await asyncio.sleep(5)
    assert drain.shorten(30) == pytest.approx(10)
    assert drain.shorten(2) == 2
    await asyncio.sleep(20)
    assert drain.shorten(30) == 0
