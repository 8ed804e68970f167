"""The pool of child processes, with real children."""

import asyncio
import os
import signal

import pytest

from app.workers.child_choice import ChildState
from app.workers.errors import ChildDied, ChildTimeout, NoTimeToRetry, PoolBusy
from app.workers.pool import WorkerPool
from app.workers.process import ChildProcess
from app.workers.spawn import BASE_MEMORY_BYTES, EXPRESS_MAX_WORK_MS
from tests.workers.pools import (
    MB,
    express_pid,
    is_gone,
    kill_child_at_work,
    open_files,
    run,
    running_pool,
)

LONG = {"timeout_s": 600, "within_s": 600, "reserve_bytes": BASE_MEMORY_BYTES + MB}
"""Of a job that ends only when its child is killed."""


def attempts_lost(caplog) -> list[int]:
    """The attempts of all `child.lost` in the log."""
    return [record.attempt for record in caplog.records if record.message == "child.lost"]


async def never(*_args, **_options) -> None:
    """Instead of a start that may not succeed during a test."""
    await asyncio.Event().wait()


async def test_more_input_than_the_limit_is_refused_before_it_is_sent():
    """The limit is the pool's own: no child gets anything."""
    async with running_pool(input_max_bytes=1000) as pool:
        with pytest.raises(ValueError, match="input_max_bytes"):
            await run(pool, "echo", bytes(1001))


async def test_waiting_for_a_child_ends_at_the_deadline_and_harms_no_other_job():
    """The job in work finishes."""
    async with running_pool() as pool:
        working = asyncio.create_task(run(pool, "sleep", seconds=1))
        await asyncio.sleep(0)
        with pytest.raises(PoolBusy):
            await run(pool, "echo", within_s=0.1)
        await working
        with pytest.raises(PoolBusy):
            await run(pool, "echo", within_s=0)
        assert pool.children_lost == 0
        assert pool.waiting == 0


async def test_jobs_of_one_caller_run_in_order_of_arrival():
    """In a pool of one child."""
    async with running_pool() as pool:
        order = []

        async def one(number):
            await run(pool, "echo")
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))


async def test_the_job_of_a_cancelled_caller_is_stopped():
    """The child is killed if the job does not end by itself within the overrun."""
    async with running_pool() as pool:
        (pid,) = pool.pids()
        working = asyncio.create_task(run(pool, "sleep", seconds=30, timeout_s=30))
        await asyncio.sleep(0.1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await run(pool, "echo", within_s=3)
        assert is_gone(pid)


async def test_a_job_of_a_cancelled_caller_that_ends_within_the_overrun_keeps_its_child():
    """A job of 50 ms."""
    async with running_pool(overrun_s=30) as pool:
        before = pool.pids()
        working = asyncio.create_task(run(pool, "sleep", seconds=0.05))
        await asyncio.sleep(0.02)
        working.cancel()
        await run(pool, "echo")
        assert pool.pids() == before


async def test_jobs_that_take_longer_than_their_deadlines_keep_their_child():
    """Each caller is told in time, and the child does not have to be started anew each time."""
    async with running_pool(overrun_s=30) as pool:
        before = pool.pids()
        for _ in range(3):
            with pytest.raises(PoolBusy):
                await run(pool, "sleep", seconds=0.3, within_s=0.05)
        await run(pool, "echo")
        assert (pool.pids(), pool.children_lost) == (before, 0)


async def test_a_job_that_outlasts_its_deadline_and_the_overrun_is_stopped():
    """The child is killed, and another one runs the next job."""
    async with running_pool(overrun_s=0.1) as pool:
        (pid,) = pool.pids()
        with pytest.raises(PoolBusy):
            await run(pool, "sleep", seconds=30, timeout_s=30, within_s=0.1)
        await run(pool, "echo")
        assert is_gone(pid)


async def test_cancelling_a_waiting_job_affects_no_child_and_no_other_job():
    """One job is in work, and one waits behind it."""
    async with running_pool() as pool:
        working = asyncio.create_task(run(pool, "sleep", seconds=0.2))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(run(pool, "echo"))
        behind = asyncio.create_task(run(pool, "echo", b"behind"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await working
        assert (await behind)[1] == b"behind"
        assert pool.children_lost == 0


async def test_a_child_killed_under_20_concurrent_jobs_costs_none_of_them():
    """The job of that child is tried again, the other nineteen go on."""
    async with running_pool(size=2) as pool:
        jobs = [
            asyncio.create_task(run(pool, "sleep", seconds=0.05, within_s=60)) for _ in range(20)
        ]
        await asyncio.sleep(0)
        os.kill(pool.pids()[0], signal.SIGKILL)
        await asyncio.gather(*jobs)
        assert pool.children_lost == 1


async def test_a_job_whose_child_is_killed_is_tried_again_in_a_fresh_child(caplog):
    """With the same input, and the log names the attempt. The memory of the first is released."""
    data = memoryview(bytearray(os.urandom(3 * MB)))
    async with running_pool() as pool:
        await run(pool, "hang_if_repeated", within_s=60)
        job = asyncio.create_task(run(pool, "hang_if_repeated", data, **LONG))
        killed = await kill_child_at_work(pool)
        facts, body = await job
        assert body == data
        assert facts["pid"] != killed
        assert pool.children_lost == 1
        assert pool._config.memory.used == 0
    assert attempts_lost(caplog) == [1]


async def test_a_job_whose_second_child_is_killed_too_has_failed(caplog):
    """There is no third attempt."""
    async with running_pool(size=2) as pool:
        job = asyncio.create_task(run(pool, "allocate", bytes=1, seconds=600, **LONG))
        first = await kill_child_at_work(pool)
        await kill_child_at_work(pool, other_than=first)
        with pytest.raises(ChildDied, match="ended"):
            await job
        assert pool.children_lost == 2
        assert pool._config.memory.used == 0
        assert pool.waiting == 0
    assert attempts_lost(caplog) == [1, 2]


@pytest.mark.parametrize("size", [1, 3])
async def test_a_job_that_kills_its_children_costs_two(size, caplog):
    """A decoder that crashes; the next job finds a child."""
    async with running_pool(size=size) as pool:
        with pytest.raises(ChildDied, match="last words"):
            await run(pool, "crash", within_s=60)
        assert (await run(pool, "echo", b"next", within_s=60))[1] == b"next"
        assert pool.children_lost == 2
    assert attempts_lost(caplog) == [1, 2]


@pytest.mark.parametrize("handler", ["raise_error", "send_garbage", "reserve_no_number"])
async def test_a_job_that_sends_no_result_is_not_tried_again(handler, caplog):
    """It would do the same again, so it costs one child."""
    async with running_pool() as pool:
        with pytest.raises(ChildDied):
            await run(pool, handler, within_s=60)
        await run(pool, "echo", within_s=60)
        assert pool.children_lost == 1
    assert attempts_lost(caplog) == [1]


async def test_a_job_that_takes_too_long_is_not_tried_again(caplog):
    """It had all the time that a job may have."""
    async with running_pool() as pool:
        with pytest.raises(ChildTimeout):
            await run(pool, "sleep", seconds=600, timeout_s=0.1, within_s=60)
        await run(pool, "echo", within_s=60)
        assert pool.children_lost == 1
    assert attempts_lost(caplog) == [1]


async def test_a_job_that_lost_the_express_child_is_not_tried_again_in_its_replacement():
    """It may have killed the express child itself, and cheap jobs need that one."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        (ordinary,) = set(pool.pids()) - {express}
        facts, _ = await run(pool, "hang_if_repeated", within_s=60)
        assert facts["pid"] == express
        memory = pool._config.memory
        await memory.acquire(memory.total)
        job = asyncio.create_task(run(pool, "hang_if_repeated", **{**LONG, "reserve_bytes": 1}))
        await asyncio.sleep(0)
        other = asyncio.create_task(run(pool, "allocate", bytes=1, **LONG))  # waits for memory
        await asyncio.sleep(0)
        os.kill(express, signal.SIGKILL)
        async with asyncio.timeout(60):
            while not any(
                child.process.is_express and child.state is ChildState.IDLE
                for child in pool._children
            ):
                await asyncio.sleep(0.005)
        assert pool.waiting == 1
        memory.release(memory.total)
        await other
        facts, _ = await job
        assert facts["pid"] == ordinary
        assert pool.children_lost == 1


async def test_a_job_that_is_tried_again_waits_for_its_turn():
    """Behind a job of another caller, which has been served less."""
    order = []

    async def one(caller, handler, **args):
        await run(pool, handler, fairness_key=(caller,), **LONG, **args)
        order.append(caller)

    async with running_pool() as pool:
        await run(pool, "hang_if_repeated", within_s=60)
        killed = asyncio.create_task(one("a", "hang_if_repeated"))
        waiting = asyncio.create_task(one("b", "echo"))
        await kill_child_at_work(pool)
        await asyncio.gather(killed, waiting)
    assert order == ["b", "a"]


class SettableDeadline:
    """A deadline that the test moves."""

    def __init__(self) -> None:
        self.seconds = 600.0

    def left_s(self):
        return self.seconds

    def timeout(self):
        return asyncio.timeout(self.seconds)


@pytest.mark.parametrize("left_s", [0.0, 0.1])
async def test_a_job_is_not_tried_again_after_its_deadline(left_s, monkeypatch):
    """The caller may come back: nothing is known against the job. No child can start meanwhile."""
    deadline = SettableDeadline()
    async with running_pool() as pool:
        monkeypatch.setattr(ChildProcess, "start", never)
        job = asyncio.create_task(
            run(pool, "allocate", bytes=1, seconds=600, deadline=deadline, **LONG)
        )
        await kill_child_at_work(pool)
        deadline.seconds = left_s
        with pytest.raises(NoTimeToRetry, match="the job's child died"):
            await job
        assert pool.children_lost == 1
        assert pool.waiting == 0


async def test_a_job_is_not_tried_again_once_the_pool_closes(monkeypatch):
    """Neither if the child has just been killed, nor if the job already waits for another."""
    for is_waiting in (False, True):
        async with running_pool() as pool:
            with monkeypatch.context() as patched:
                patched.setattr(ChildProcess, "start", never)
                job = asyncio.create_task(run(pool, "allocate", bytes=1, seconds=600, **LONG))
                await kill_child_at_work(pool)
                async with asyncio.timeout(60):
                    while is_waiting and not pool.waiting:
                        await asyncio.sleep(0.005)
                await pool.aclose()
                with pytest.raises(NoTimeToRetry if is_waiting else asyncio.CancelledError):
                    await job
                assert pool.pids() == []


async def test_the_job_of_a_cancelled_caller_is_not_tried_again(caplog):
    """Nobody waits for it."""
    async with running_pool() as pool:
        job = asyncio.create_task(run(pool, "allocate", bytes=1, seconds=600, **LONG))
        await kill_child_at_work(pool)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        await run(pool, "echo", within_s=60)
        assert pool.children_lost == 1
    assert attempts_lost(caplog) == [1]


async def test_a_child_killed_while_idle_loses_no_job():
    """It is found dead when it is chosen, and another is taken."""
    async with running_pool(size=2) as pool:
        pid = pool.pids()[0]
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        for _ in range(2):
            await asyncio.gather(*(run(pool, "sleep", seconds=0.05) for _ in range(2)))
        assert pool.children_lost == 1


async def test_children_are_replaced_after_max_jobs_without_losing_a_job():
    """The old child runs on until its replacement has started."""
    async with running_pool(size=1, max_jobs_per_child=5) as pool:
        first, pids = pool.pids(), set()
        async with asyncio.timeout(20):
            while len(pids) < 3:
                facts, _ = await run(pool, "sleep", seconds=0.01)
                pids.add(facts["pid"])
        assert first[0] in pids
        assert pool.children_lost == 0
        assert len(pool.pids()) <= 2


async def test_closing_leaves_no_process_and_no_open_file():
    """With a job in work, one waiting, and one child just killed."""
    before = open_files()
    async with running_pool(size=2) as pool:
        pids = pool.pids()
        jobs = [asyncio.create_task(run(pool, "sleep", seconds=30)) for _ in range(3)]
        await asyncio.sleep(0.1)
        os.kill(pids[0], signal.SIGKILL)
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(
        isinstance(outcome, PoolBusy | ChildDied | asyncio.CancelledError) for outcome in outcomes
    )
    assert all(is_gone(pid) for pid in pids)
    assert open_files() == before
    assert not pool.is_ready()
    with pytest.raises(PoolBusy):
        await run(pool, "echo")


async def test_a_pool_whose_children_cannot_start_says_why():
    """A missing handler means a broken installation: there are no retries."""
    pool = WorkerPool(size=2, handlers={"x": "tests.workers.no_such_module:x"})
    with pytest.raises(ChildDied, match=r"did not start: .*no_such_module"):
        await pool.start()
    assert not pool.is_ready()


async def test_short_work_goes_to_the_express_child_even_if_others_are_idle():
    """Beside expensive jobs another child would have too little weight."""
    async with running_pool(size=3) as pool:
        express = express_pid(pool)
        for _ in range(5):
            facts, _ = await run(pool, "announce", reserve_bytes=1, work_ms=1)
            assert facts["pid"] == express


@pytest.mark.parametrize(
    ("reserve_bytes", "work_ms"), [(1, EXPRESS_MAX_WORK_MS + 1), (BASE_MEMORY_BYTES + 1, 1)]
)
async def test_long_work_is_not_for_the_express_child(reserve_bytes, work_ms):
    """Neither much memory nor much time: an image of 40 KB can take a second."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        for _ in range(3):
            facts, _ = await run(pool, "announce", reserve_bytes=reserve_bytes, work_ms=work_ms)
            assert facts["pid"] != express
        assert pool.children_lost == 0


async def test_a_single_child_runs_long_work_too():
    """A pool of one child has no express child."""
    async with running_pool(size=1) as pool:
        assert await run(pool, "announce", reserve_bytes=1, work_ms=10_000)
