"""Paced work is done one piece at a time, with rests in proportion to its cost."""

import asyncio
import threading

import pytest

from app.runtime.paced_work import REST_FACTOR, PacedWork


class _Clock:
    """A clock that only work and rests advance."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.rests_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.rests_s.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def paced(clock: _Clock) -> PacedWork:
    return PacedWork(clock, clock, clock.sleep)


async def test_a_rest_follows_each_piece_and_is_waited_for_by_the_next(
    paced: PacedWork, clock: _Clock
) -> None:
    def work(cost_s: float) -> float:
        clock.now_s += cost_s
        return cost_s

    assert await asyncio.gather(
        *(paced.run_in_thread(work, cost_s) for cost_s in (1.0, 2.0, 4.0))
    ) == [
        1.0,
        2.0,
        4.0,
    ]
    assert clock.rests_s == [REST_FACTOR, 2 * REST_FACTOR]
    clock.now_s += 4 * REST_FACTOR  # the last rest is over before anybody comes
    await paced.run_in_thread(work, 1.0)
    assert len(clock.rests_s) == 2


async def test_no_two_pieces_run_at_once(paced: PacedWork) -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.005)
        with lock:
            running -= 1

    await asyncio.gather(*(paced.run_in_thread(work) for _ in range(8)))
    assert most == 1


async def test_what_work_raises_is_raised_and_its_time_counts(
    paced: PacedWork, clock: _Clock
) -> None:
    def fail() -> None:
        clock.now_s += 1.0
        raise RecursionError("deep")

    with pytest.raises(RecursionError, match="deep"):
        await paced.run_in_thread(fail)
    await paced.run_in_thread(int, "1")
    assert clock.rests_s == [REST_FACTOR]


async def test_a_caller_who_leaves_does_not_keep_the_turn(paced: PacedWork) -> None:
    go = threading.Event()
    first = asyncio.create_task(paced.run_in_thread(go.wait, 5))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(paced.run_in_thread(int, "2"))
    await asyncio.sleep(0)
    waiting.cancel()
    go.set()
    assert await first
    assert await paced.run_in_thread(int, "3") == 3


async def test_work_on_the_event_loop_and_in_threads_shares_the_turns(
    paced: PacedWork, clock: _Clock
) -> None:
    def work() -> int:
        clock.now_s += 1.0
        return threading.get_ident()

    here, elsewhere = await asyncio.gather(paced.run(work), paced.run_in_thread(work))
    assert here == threading.get_ident() != elsewhere
    assert clock.rests_s == [REST_FACTOR]
