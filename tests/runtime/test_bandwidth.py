"""Large files share one rate."""

import asyncio

import pytest

from app.runtime.bandwidth import UNTHROTTLED_BYTES, BandwidthLimiter

pytestmark = pytest.mark.usefixtures("virtual_time")

MB = 1024 * 1024


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_a_file_of_ordinary_size_is_never_delayed() -> None:
    limiter = BandwidthLimiter(MB)
    began_s = now_s()
    for start in range(0, UNTHROTTLED_BYTES, MB):
        await limiter.throttle(MB, start + MB)
    assert now_s() == began_s


async def test_other_tasks_run_in_between_all_the_same() -> None:
    limiter, steps = BandwidthLimiter(MB), []
    task = asyncio.create_task(asyncio.sleep(0))
    task.add_done_callback(lambda _: steps.append("another task"))
    for _ in range(3):
        await limiter.throttle(MB, MB)
    assert steps == ["another task"]


async def test_a_file_of_the_largest_size_takes_half_a_second() -> None:
    """Alone or in four parts at the same time: all files share the rate."""
    limiter = BandwidthLimiter(16 * MB)

    async def transfer() -> None:
        for _ in range(4):
            await limiter.throttle(MB, UNTHROTTLED_BYTES + MB)

    began_s = now_s()
    await asyncio.gather(*(transfer() for _ in range(4)))
    assert now_s() - began_s == pytest.approx(0.5)


async def test_unused_time_is_not_saved_up() -> None:
    """After a pause a large file is as slow as before."""
    limiter = BandwidthLimiter(8 * MB)
    await limiter.throttle(MB, UNTHROTTLED_BYTES + MB)
    await asyncio.sleep(10)
    began_s = now_s()
    await limiter.throttle(4 * MB, UNTHROTTLED_BYTES + 5 * MB)
    assert now_s() - began_s == pytest.approx(0.25)
