"""Equal work is done once, and each waiter keeps its own deadline."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from app.runtime.deadline import Deadline
from app.runtime.single_flight import SingleFlight

pytestmark = pytest.mark.usefixtures("virtual_time")


class QueueFull(Exception):
    """A failure that another deadline might have avoided."""


class Refused(Exception):
    """A failure that every attempt would meet."""


@dataclass
class Work:
    """Work of a fixed length that keeps its deadline, and counts its attempts."""

    seconds: float = 1.0
    failures: list[Exception] = field(default_factory=list)
    """Raised by the next attempts, one each."""
    given_s: list[float] = field(default_factory=list)
    """The seconds that each attempt was given."""
    cancelled: int = 0

    async def __call__(self, deadline: Deadline) -> str:
        self.given_s.append(round(deadline.left_s(), 3))
        try:
            async with deadline.timeout():
                await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except TimeoutError:
            raise QueueFull from None
        if self.failures:
            raise self.failures.pop(0)
        return f"result {len(self.given_s)}"


def flights() -> SingleFlight[str, str]:
    return SingleFlight(unshared=(QueueFull,))


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def at(seconds: float, call: Callable[[], Awaitable[object]]) -> tuple[object, float]:
    """What a call that starts after `seconds` returns or raises, and how long it took."""
    await asyncio.sleep(seconds)
    began_s = now_s()
    try:
        found: object = await call()
    except (QueueFull, Refused, TimeoutError) as error:
        found = error
    return found, round(now_s() - began_s, 3)


async def test_equal_work_is_done_once_and_one_waiter_counts_as_its_owner() -> None:
    work, flight = Work(), flights()
    results = await asyncio.gather(*(flight.run("a", Deadline.after(9), work) for _ in range(3)))
    assert results == [("result 1", False), ("result 1", True), ("result 1", True)]
    assert len(work.given_s) == 1
    assert len(flight) == 0


async def test_other_keys_are_other_work() -> None:
    work, flight = Work(), flights()
    await asyncio.gather(*(flight.run(key, Deadline.after(9), work) for key in "ab"))
    assert len(work.given_s) == 2


async def test_a_result_is_not_kept() -> None:
    work, flight = Work(), flights()
    assert await flight.run("a", Deadline.after(9), work) == ("result 1", False)
    assert await flight.run("a", Deadline.after(9), work) == ("result 2", False)


async def test_a_waiter_with_time_left_does_not_inherit_the_timeout_of_the_first() -> None:
    """The first had 1.1 s; who joined it with 11 s left gets the result."""
    work, flight = Work(seconds=3), flights()
    first, second = await asyncio.gather(
        at(0, lambda: flight.run("a", Deadline.after(1.1), work)),
        at(0.6, lambda: flight.run("a", Deadline.after(11), work)),
    )
    assert isinstance(first[0], QueueFull)
    assert first[1] == 1.1
    assert second == (("result 2", False), 3.5)
    assert work.given_s == [1.1, 10.5]


async def test_a_waiter_does_not_inherit_a_failure_that_depends_on_the_queue() -> None:
    """The queue was full for the first; the next attempt finds room."""
    work, flight = Work(failures=[QueueFull()]), flights()
    first, second = await asyncio.gather(
        at(0, lambda: flight.run("a", Deadline.after(5), work)),
        at(0.5, lambda: flight.run("a", Deadline.after(2), work)),
    )
    assert isinstance(first[0], QueueFull)
    assert second == (("result 2", False), 1.5)


async def test_an_attempt_gets_the_latest_deadline_of_those_who_wait_when_it_begins() -> None:
    work, flight = Work(failures=[QueueFull()]), flights()
    calls = [(0, 3), (0.2, 9), (0.4, 20), (0.6, 5)]
    await asyncio.gather(
        *(
            at(start_s, lambda left_s=left_s: flight.run("a", Deadline.after(left_s), work))
            for start_s, left_s in calls
        )
    )
    assert work.given_s == [3.0, 19.4]


async def test_those_who_wait_when_an_attempt_begins_share_its_failure() -> None:
    """None of them had more time than the attempt, so it would have failed for each of them."""
    work, flight = Work(failures=[QueueFull()] * 9), flights()
    outcomes = await asyncio.gather(
        *(
            at(0.1 * number, lambda: flight.run("a", Deadline.after(30), work))
            for number in range(8)
        )
    )
    assert all(isinstance(found, QueueFull) for found, _ in outcomes)
    assert len(work.given_s) == 2, "not one attempt after the other for each waiter"


async def test_each_waiter_leaves_at_its_own_deadline() -> None:
    """Who has less time than the work goes; the work goes on for the others."""
    work, flight = Work(seconds=5), flights()
    outcomes = await asyncio.gather(
        at(0, lambda: flight.run("a", Deadline.after(9), work)),
        at(1, lambda: flight.run("a", Deadline.after(2), work)),
        at(1, lambda: flight.run("a", Deadline.after(3), work)),
    )
    assert outcomes[0] == (("result 1", False), 5.0)
    assert [type(found) for found, _ in outcomes[1:]] == [TimeoutError, TimeoutError]
    assert [took_s for _, took_s in outcomes[1:]] == [2.0, 3.0]


async def test_a_waiter_with_the_attempts_own_deadline_gets_the_attempts_own_error() -> None:
    """The work says more than that time is up."""
    work, flight, deadline = Work(seconds=5), flights(), Deadline.after(2)
    outcomes = await asyncio.gather(
        at(0, lambda: flight.run("a", deadline, work)),
        at(1, lambda: flight.run("a", deadline, work)),
    )
    assert [type(found) for found, _ in outcomes] == [QueueFull, QueueFull]
    assert len(work.given_s) == 1, "no attempt without time"


async def test_a_final_failure_is_shared() -> None:
    """And the next call tries anew."""
    work, flight = Work(failures=[Refused()]), flights()
    outcomes = await asyncio.gather(
        at(0, lambda: flight.run("a", Deadline.after(5), work)),
        at(0.5, lambda: flight.run("a", Deadline.after(9), work)),
    )
    assert [type(found) for found, _ in outcomes] == [Refused, Refused]
    assert len(work.given_s) == 1
    assert await flight.run("a", Deadline.after(5), work) == ("result 2", False)


async def test_the_work_goes_on_when_the_first_caller_leaves() -> None:
    """The next waiter counts as its owner then."""
    work, flight = Work(), flights()
    first = asyncio.create_task(flight.run("a", Deadline.after(9), work))
    await asyncio.sleep(0.1)
    others = [asyncio.create_task(flight.run("a", Deadline.after(9), work)) for _ in range(2)]
    await asyncio.sleep(0.1)
    first.cancel()
    assert await asyncio.gather(*others) == [("result 1", False), ("result 1", True)]
    assert (len(work.given_s), work.cancelled) == (1, 0)


async def test_the_work_ends_with_the_last_who_waits_for_it() -> None:
    """It has ended when that caller's wait has, and the next call begins anew."""
    work, flight = Work(), flights()
    waiting = [asyncio.create_task(flight.run("a", Deadline.after(9), work)) for _ in range(2)]
    await asyncio.sleep(0.1)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    assert work.cancelled == 0
    waiting[1].cancel()
    await asyncio.wait([waiting[1]])
    assert work.cancelled == 1
    assert len(flight) == 0
    assert await flight.run("a", Deadline.after(9), work) == ("result 2", False)


async def test_a_caller_that_leaves_at_the_moment_of_a_failure_leaves_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """asyncio logs an exception that is never read."""
    flight, tasks = flights(), list[asyncio.Task[object]]()

    async def fail(_: Deadline) -> str:
        asyncio.get_running_loop().call_soon(tasks[0].cancel)
        raise Refused

    tasks.append(asyncio.create_task(flight.run("a", Deadline.after(9), fail)))
    await asyncio.wait(tasks)
    assert tasks[0].cancelled()
    tasks.clear()
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_work_that_is_cancelled_from_elsewhere_cancels_its_waiters() -> None:
    """As when a pool closes: they must not wait for ever."""

    async def cancelled(_: Deadline) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await flights().run("a", Deadline.after(9), cancelled)


@pytest.mark.parametrize("after_s", [0, 0.1])
async def test_closing_ends_all_work_and_every_wait(after_s: float) -> None:
    work, flight = Work(), flights()
    waiting = [asyncio.create_task(flight.run(key, Deadline.after(9), work)) for key in "ab"]
    await asyncio.sleep(after_s)
    await flight.aclose()
    assert [type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 2
    assert len(flight) == 0
