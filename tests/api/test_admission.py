"""A full server refuses at once; waiting is fair by caller and ends at the deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from app.api.admission import Admission
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain


async def test_a_request_beyond_the_queue_is_refused_at_once_with_a_retry_time() -> None:
    admission = Admission(1, 1, Drain())
    async with hold_places(admission):
        waiting = asyncio.create_task(take_place(admission))
        await asyncio.sleep(0)
        assert admission.waiting == 1
        assert admission.overload_error() is not None
        with pytest.raises(Overloaded) as raised:
            # The first step of the coroutine raises: it does not wait for anything.
            take_place(admission).send(None)
        assert raised.value.retry_after_s is not None
    await waiting
    assert (admission.in_work, admission.waiting) == (0, 0)
    assert admission.overload_error() is None


async def test_a_request_that_waits_past_its_deadline_is_refused() -> None:
    admission = Admission(1, 5, Drain())
    async with hold_places(admission):
        with pytest.raises(Overloaded):
            await take_place(admission, Deadline.after(0.05))
        assert admission.waiting == 0


async def test_a_caller_with_many_requests_does_not_keep_another_waiting() -> None:
    """The other is admitted next; requests of one caller in order of arrival."""
    admission = Admission(1, 50, Drain())
    admitted: list[str] = []

    async def work(caller: str, name: str) -> None:
        async with hold_places(admission, caller=caller):
            admitted.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(work("anna", str(number)))
        group.create_task(work("bob", "bob"))
    assert admitted == ["0", "bob", *map(str, range(1, 30))]
    assert (admission.in_work, admission.waiting) == (0, 0)


async def test_a_request_that_is_cancelled_when_it_is_admitted_gives_its_place_back() -> None:
    admission = Admission(1, 5, Drain())
    async with hold_places(admission):
        cancelled = asyncio.create_task(take_place(admission))
        last = asyncio.create_task(take_place(admission))
        await asyncio.sleep(0)
    cancelled.cancel()
    await last
    assert cancelled.cancelled()
    assert (admission.in_work, admission.waiting) == (0, 0)


async def test_one_caller_does_not_fill_the_queue_while_another_is_present() -> None:
    admission = Admission(1, 8, Drain())
    await take_place(admission, caller="bob")
    async with hold_places(admission, caller="anna"):
        waiting = [asyncio.create_task(take_place(admission, caller="anna")) for _ in range(6)]
        await asyncio.sleep(0)
        assert admission.overload_error("anna") is not None
        assert admission.overload_error("bob") is None
    await asyncio.gather(*waiting)


async def test_a_request_for_several_captions_takes_the_places_that_are_free() -> None:
    """It waits for the first of them only."""
    admission = Admission(8, 8, Drain())
    await take_place(admission, caller="bob")
    async with hold_places(admission, caller="anna", wanted=4) as first:
        async with hold_places(admission, caller="anna", wanted=4) as second:
            assert (first, second, admission.in_work) == (4, 2, 6), "two are kept for bob"
            await take_place(admission, caller="bob")
        assert admission.in_work == 4
    assert admission.in_work == 0


async def test_requests_are_admitted_during_the_notice_of_a_drain() -> None:
    drain = Drain()
    admission = Admission(1, 5, drain)
    drain.begin()
    assert admission.overload_error() is None
    await take_place(admission)


async def test_a_draining_server_refuses_new_requests_and_ends_the_wait_of_others() -> None:
    drain = Drain()
    admission = Admission(1, 5, drain)
    async with hold_places(admission):
        waiting = asyncio.create_task(take_place(admission))
        await asyncio.sleep(0)
        drain.refuse_new_work()
        drain.shorten_timeouts(0.05)
        with pytest.raises(Overloaded):
            await take_place(admission)
        with pytest.raises(Overloaded):
            await waiting


async def test_the_retry_time_grows_with_the_duration_of_requests() -> None:
    now_s = 0.0
    admission = Admission(1, 0, Drain(), clock=lambda: now_s)
    for _ in range(100):
        async with hold_places(admission):
            now_s += 12.0
    async with hold_places(admission):
        error = admission.overload_error()
        assert error is not None
        assert error.retry_after_s == pytest.approx(12, rel=0.01)


async def test_large_files_take_a_quarter_of_the_places() -> None:
    """The others wait, and a request without a large file finds a place meanwhile."""
    admission = Admission(8, 8, Drain())
    async with AsyncExitStack() as held:
        holders = [await held.enter_async_context(admission.places("anna")) for _ in range(2)]
        for places in holders:
            await places.take_turn_of_large_file(Deadline.after(60))
            await places.take(Deadline.after(60))
        waiting = asyncio.create_task(take_place_for_large_file(admission))
        await asyncio.sleep(0)
        assert (admission.in_work, admission.waiting) == (2, 1)
        await take_place(admission, caller="anna")
        assert not waiting.done()
        holders[0].end_turn_of_large_file()
        await waiting
        assert admission.in_work == 2, "the first one keeps its place for the model"
    assert (admission.in_work, admission.waiting) == (0, 0)


async def test_a_full_server_refuses_a_large_file_before_it_waits() -> None:
    admission = Admission(1, 0, Drain())
    async with hold_places(admission):
        with pytest.raises(Overloaded):
            await take_place_for_large_file(admission)


async def take_place_for_large_file(admission: Admission) -> None:
    async with admission.places("anna") as places:
        await places.take_turn_of_large_file(Deadline.after(60))
        await places.take(Deadline.after(60))


@asynccontextmanager
async def hold_places(
    admission: Admission, deadline: Deadline | None = None, *, caller: str = "", wanted: int = 1
) -> AsyncIterator[int]:
    async with admission.places(caller) as places:
        yield await places.take(deadline or Deadline.after(60), wanted=wanted)


async def take_place(
    admission: Admission, deadline: Deadline | None = None, *, caller: str = ""
) -> None:
    async with hold_places(admission, deadline, caller=caller):
        pass
