"""Full means no at once; waiting is in order and ends at the deadline."""

import asyncio
import time

import pytest

from app.api.admission import Admission
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain


async def test_the_one_past_the_queue_is_refused_at_once_with_a_time_to_come_back() -> None:
    admission = Admission(1, 1, Drain())
    async with admission.place(Deadline.after(5)):
        waiting = asyncio.create_task(_visit(admission))
        await asyncio.sleep(0)
        assert admission.waiting == 1
        began = time.monotonic()
        with pytest.raises(Overloaded) as told:
            async with admission.place(Deadline.after(5)):
                pass
        assert time.monotonic() - began < 0.05
        assert told.value.retry_after_s is not None
    await waiting
    assert (admission.in_work, admission.waiting) == (0, 0)


async def test_who_waits_past_the_deadline_is_told_so() -> None:
    admission = Admission(1, 5, Drain())
    async with admission.place(Deadline.after(5)):
        with pytest.raises(Overloaded):
            async with admission.place(Deadline.after(0.05)):
                pass
        assert admission.waiting == 0


async def test_a_draining_server_takes_nobody_new_and_lets_the_waiting_go() -> None:
    drain = Drain()
    admission = Admission(1, 5, drain)
    async with admission.place(Deadline.after(60)):
        waiting = asyncio.create_task(_visit(admission))
        await asyncio.sleep(0)
        drain.begin()
        drain.shorten(0.05)
        with pytest.raises(Overloaded):
            async with admission.place(Deadline.after(60)):
                pass
        with pytest.raises(Overloaded):
            await waiting


async def _visit(admission: Admission) -> None:
    async with admission.place(Deadline.after(60)):
        pass
