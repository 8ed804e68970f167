"""A deadline is one moment, wherever it is handed."""

import asyncio

import pytest

from app.runtime.deadline import Deadline

pytestmark = pytest.mark.usefixtures("virtual_time")


async def test_the_time_left_shrinks_to_zero_and_not_below() -> None:
    deadline = Deadline.after(3)
    assert deadline.left_s() == pytest.approx(3)
    await asyncio.sleep(2)
    assert deadline.left_s() == pytest.approx(1)
    await asyncio.sleep(2)
    assert deadline.left_s() == 0


async def test_its_timeout_ends_at_the_moment_whenever_it_began() -> None:
    loop = asyncio.get_running_loop()
    began_s, deadline = loop.time(), Deadline.after(3)
    await asyncio.sleep(2)
    with pytest.raises(TimeoutError):
        async with deadline.timeout():
            await asyncio.sleep(60)
    assert loop.time() - began_s == pytest.approx(3)


async def test_it_can_be_made_sooner_but_not_later() -> None:
    deadline = Deadline.after(3)
    assert deadline.sooner(1).left_s() == pytest.approx(1)
    assert deadline.sooner(9) == deadline
