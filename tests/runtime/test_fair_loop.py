"""On the event loop every caller's callbacks have their turn, however many one caller has."""

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.runtime.fair_loop import (
    BULK_REST_FACTOR,
    POLL_EVERY_S,
    REGULAR_AFTER_S,
    REGULAR_CREDIT_S,
    FairEventLoop,
    FairTurns,
    Regulars,
    bulk_work,
    enter_turns,
    reads_in_turns,
)


def run_turns(turns: FairTurns[float], count: int) -> list[str]:
    """Take items, each of which is the seconds that it uses; the callers in order."""
    order = []
    for _ in range(count):
        caller, used_s = turns.take()
        turns.charge(caller, used_s)
        order.append(caller)
    return order


def turns_of(**items: list[float]) -> FairTurns[float]:
    turns: FairTurns[float] = FairTurns()
    for caller, used_s in items.items():
        for each in used_s:
            turns.add(caller, each)
    return turns


def test_callers_with_equal_items_take_turns() -> None:
    turns = turns_of(anna=[1.0] * 3, bela=[1.0] * 3)
    assert run_turns(turns, 6) == ["anna", "bela"] * 3
    assert not turns


def test_callers_get_equal_time_and_not_equally_many_items() -> None:
    turns = turns_of(anna=[3.0] * 4, bela=[1.0] * 12)
    assert Counter(run_turns(turns, 12)) == {"anna": 3, "bela": 9}


def test_items_of_one_caller_keep_their_order() -> None:
    turns: FairTurns[int] = FairTurns()
    for number in range(50):
        turns.add("anna", number)
    taken = []
    while turns:
        caller, number = turns.take()
        turns.charge(caller, float(number % 7))
        taken.append(number)
    assert taken == list(range(50))


def test_who_comes_now_and_then_waits_for_one_item_of_each_of_the_others() -> None:
    """And is not paid back for the time in which it did not ask."""
    turns = turns_of(**{f"caller-{number}": [1.0] * 100 for number in range(5)})
    run_turns(turns, 50)
    for _ in range(3):
        turns.add("bela", 1.0)
        assert "bela" in run_turns(turns, 6)
    for _ in range(20):
        turns.add("bela", 1.0)
    assert run_turns(turns, 12).count("bela") <= 3


def test_a_callback_may_add_another_of_its_caller() -> None:
    turns = turns_of(anna=[1.0])
    caller, used_s = turns.take()
    turns.add("anna", 2.0)
    turns.add("bela", 1.0)
    turns.charge(caller, used_s)
    assert run_turns(turns, 2) == ["bela", "anna"]


def test_callers_who_have_left_are_forgotten() -> None:
    turns = turns_of(anna=[1.0] * 5_000)
    for number in range(4_000):
        turns.add(f"caller-{number}", 0.5)
        run_turns(turns, 2)
    assert len(turns._used_s) <= 1_001


def test_a_credit_is_used_before_the_others_have_their_turns_and_only_once() -> None:
    turns = turns_of(**{f"caller-{number}": [1.0] * 100 for number in range(5)})
    run_turns(turns, 50)
    for _ in range(20):
        turns.add("bela", 1.0, credit_s=4.0)
    order = run_turns(turns, 40)
    assert order[:4] == ["bela"] * 4
    assert order[5:].count("bela") <= 35 // 6 + 1, "then it has a turn like the others"


def test_a_credit_of_one_gives_nobody_else_an_earlier_turn() -> None:
    turns = turns_of(anna=[1.0] * 10)
    run_turns(turns, 5)
    turns.add("bela", 0.1, credit_s=4.0)
    run_turns(turns, 1)
    for _ in range(4):
        turns.add("late", 1.0)
    assert run_turns(turns, 4).count("late") == 2


def test_a_caller_is_regular_after_a_while_and_until_it_stays_away() -> None:
    regulars = Regulars()
    assert not regulars.is_regular("anna", 0.0)
    regulars.note("anna", 10.0)
    assert not regulars.is_regular("anna", 10.0)
    regulars.note("anna", 10.0 + REGULAR_AFTER_S)
    assert regulars.is_regular("anna", 10.0 + REGULAR_AFTER_S)
    assert not regulars.is_regular("anna", 100.0)
    regulars.note("anna", 100.0)
    assert not regulars.is_regular("anna", 100.0), "it has come anew"


def test_regulars_who_have_left_are_forgotten() -> None:
    regulars = Regulars()
    for number in range(3_000):
        regulars.note(f"caller-{number}", float(number))
    assert len(regulars._first_s) == len(regulars._last_s) <= 1_001


class Clock:
    """Seconds that pass when a callback says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def run(
    main: Callable[[], Coroutine[Any, Any, None]], loop: asyncio.AbstractEventLoop | None = None
) -> None:
    with asyncio.Runner(loop_factory=lambda: loop or FairEventLoop()) as runner:
        runner.run(main())


async def work(caller: str, step: Callable[[], None], steps: int) -> None:
    """A request that lets other callbacks run after each of its steps."""
    await enter_turns(caller)
    for _ in range(steps):
        step()
        await asyncio.sleep(0)


def counting_step(clock: Clock, counted: Counter[str], caller: str) -> Callable[[], None]:
    """A step of a millisecond that is counted."""

    def step() -> None:
        clock.now_s += 0.001
        counted[caller] += 1

    return step


def count_steps_beside(loop: asyncio.AbstractEventLoop, clock: Clock) -> int:
    """How many steps of 50 requests of one caller run while another's request makes 20 steps."""
    counted: Counter[str] = Counter()
    beside = 0

    async def main() -> None:
        nonlocal beside
        many = [
            asyncio.create_task(work("many", counting_step(clock, counted, "many"), 10_000))
            for _ in range(50)
        ]
        await asyncio.sleep(0.01)
        before = counted["many"]
        await asyncio.create_task(work("one", counting_step(clock, counted, "one"), 20))
        beside = counted["many"] - before
        for task in many:
            task.cancel()
        await asyncio.gather(*many, return_exceptions=True)

    run(main, loop)
    return beside


def test_a_request_waits_for_one_step_of_another_caller_at_each_of_its_own() -> None:
    """Of fifty requests: asyncio's own loop runs all fifty of them each time."""
    clock = Clock()
    assert count_steps_beside(FairEventLoop(clock), clock) <= 30
    assert count_steps_beside(asyncio.SelectorEventLoop(), Clock()) >= 1_000


def test_the_loop_polls_for_io_between_the_steps_of_one_caller() -> None:
    """After POLL_EVERY_S at the latest, however many callbacks are ready."""
    clock = Clock()
    steps_before_poll: list[int] = []
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        clock.now_s += POLL_EVERY_S / 4

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(work("many", step, 10)) for _ in range(20)]

        def poll() -> None:  # without a caller: runs once in each iteration
            steps_before_poll.append(steps)
            if not all(task.done() for task in tasks):
                loop.call_soon(poll)

        poll()
        await asyncio.gather(*tasks)

    run(main, FairEventLoop(clock))
    gaps = [after - before for before, after in itertools.pairwise(steps_before_poll)]
    assert steps == 200
    assert max(gaps) <= 4


def test_tasks_that_a_request_creates_belong_to_its_caller() -> None:
    clock, order = Clock(), []

    async def child(name: str) -> None:
        order.append(name)
        clock.now_s += 1.0

    async def request(caller: str, children: int) -> None:
        await enter_turns(caller)
        async with asyncio.TaskGroup() as group:
            for _ in range(children):
                group.create_task(child(caller))

    async def main() -> None:
        await asyncio.gather(request("many", 20), request("one", 2))

    run(main, FairEventLoop(clock))
    assert "one" in order[:3]
    assert order[:5].count("one") == 2


@pytest.mark.parametrize("error", [ValueError("broken"), asyncio.CancelledError()])
def test_an_error_of_one_callback_stops_no_other(error: BaseException) -> None:
    done = []

    async def fails() -> None:
        await enter_turns("anna")
        raise error

    async def works(name: str) -> None:
        await enter_turns(name)
        await asyncio.sleep(0)
        done.append(name)

    async def main() -> None:
        await asyncio.gather(fails(), works("anna"), works("bela"), return_exceptions=True)

    run(main)
    assert sorted(done) == ["anna", "bela"]


def test_a_request_that_waits_for_its_turn_can_be_cancelled() -> None:
    async def main() -> None:
        many = [asyncio.create_task(work("many", lambda: None, 1_000)) for _ in range(10)]
        waiting = asyncio.create_task(work("many", lambda: None, 1_000))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert not any(task.done() for task in many)
        for task in many:
            task.cancel()
        await asyncio.gather(*many, return_exceptions=True)

    run(main)


def test_bulk_work_of_all_callers_has_the_turns_of_one() -> None:
    """A short request waits for one step of it each time, not for one of each caller."""
    clock = Clock()
    counted: Counter[str] = Counter()
    beside = 0

    async def large(caller: str) -> None:
        with bulk_work():
            await work(caller, counting_step(clock, counted, caller), 10_000)

    async def main() -> None:
        nonlocal beside
        callers = [f"large-{number}" for number in range(20)]
        tasks = [asyncio.create_task(large(caller)) for caller in callers]
        await asyncio.sleep(0.01)
        before = counted.total()
        await asyncio.create_task(work("one", counting_step(clock, counted, "one"), 20))
        beside = counted.total() - counted["one"] - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        shares = [counted[caller] for caller in callers]
        assert max(shares) - min(shares) <= 2, "they have equal parts of it"

    run(main, FairEventLoop(clock))
    assert beside <= 30


@pytest.mark.parametrize("is_regular", [True, False])
def test_a_regular_caller_waits_for_one_step_of_many_newcomers_and_not_for_one_of_each(
    is_regular: bool,
) -> None:
    clock = Clock()
    counted: Counter[str] = Counter()
    beside = 0.0

    async def main() -> None:
        nonlocal beside
        if is_regular:
            await asyncio.create_task(work("one", counting_step(clock, counted, "one"), 2))
            clock.now_s += REGULAR_AFTER_S
            await asyncio.create_task(work("one", counting_step(clock, counted, "one"), 2))
        newcomers = [
            asyncio.create_task(work(name, counting_step(clock, counted, name), 10_000))
            for name in (f"new-{number}" for number in range(20))
        ]
        await asyncio.sleep(0.01)
        before = counted.total() - counted["one"]
        steps = round(REGULAR_CREDIT_S / 0.001 / 3)
        await asyncio.create_task(work("one", counting_step(clock, counted, "one"), steps))
        beside = (counted.total() - counted["one"] - before) / steps
        for task in newcomers:
            task.cancel()
        await asyncio.gather(*newcomers, return_exceptions=True)

    run(main, FairEventLoop(clock))
    assert beside <= 1.5 if is_regular else beside >= 10


@pytest.mark.parametrize("present", [True, False])
def test_bulk_work_rests_between_its_steps_while_others_are_present(present: bool) -> None:
    """So a burst of large files leaves most of the loop's time to short requests."""
    clock = Clock()
    rests: list[float] = []

    async def large() -> None:
        with bulk_work():
            await work("large", counting_step(clock, Counter(), "large"), 5)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        if present:
            for caller in ("one", "two"):
                await asyncio.create_task(work(caller, lambda: None, 2))
        call_later = loop.call_later

        def noted(delay_s: float, *args: Any, **kw: Any) -> asyncio.TimerHandle:
            rests.append(delay_s)
            return call_later(delay_s, *args, **kw)

        loop.call_later = noted  # type: ignore[method-assign]
        await asyncio.create_task(large())

    run(main, FairEventLoop(clock))
    long_rests = [rest_s for rest_s in rests if rest_s > 0]
    assert long_rests == pytest.approx([BULK_REST_FACTOR * 0.001] * (5 if present else 0))


async def receive(caller: str, reading: socket.socket, order: list[str], clock: Clock) -> None:
    """Read from a socket that always has more, as anyio does: registered anew for each read."""
    await enter_turns(caller)
    loop = asyncio.get_running_loop()
    with reads_in_turns():
        while True:
            ready: asyncio.Future[None] = loop.create_future()

            def read(ready: asyncio.Future[None] = ready) -> None:
                order.append(caller)
                clock.now_s += 0.001
                loop.remove_reader(reading)
                if not ready.done():  # cancelled
                    ready.set_result(None)

            loop.add_reader(reading, read)
            await ready


def test_sockets_are_read_in_turns_of_callers() -> None:
    """One download beside fifty of another caller has a turn whenever it waits for one.

    That is a fifth of all reads, because it waits only after its task has run. In order of arrival
    it had a fiftieth.
    """
    clock, order = Clock(), list[str]()

    async def main() -> None:
        pairs = [socket.socketpair() for _ in range(51)]
        tasks = []
        for number, (reading, writing) in enumerate(pairs):
            reading.setblocking(False)
            writing.send(b"x")
            caller = "one" if number == 50 else "many"
            tasks.append(asyncio.create_task(receive(caller, reading, order, clock)))
        while len(order) < 500:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reading, writing in pairs:
            asyncio.get_running_loop().remove_reader(reading)
            reading.close()
            writing.close()

    run(main, FairEventLoop(clock))
    assert order[:500].count("one") >= 100
