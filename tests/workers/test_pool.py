"""The pool of child processes, with real children."""

import asyncio
import os
import signal

import pytest

from app.workers import pool as pool_module
from app.workers.errors import ChildDied, PoolBusy
from app.workers.pool import WorkerPool
from app.workers.spawn import BASE_MEMORY_BYTES, EXPRESS_MAX_WORK_MS
from tests.workers.pools import express_pid, is_gone, open_files, run, running_pool


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
    """The child is killed if the job does not end by itself within the grace period."""
    async with running_pool() as pool:
        (pid,) = pool.pids()
        working = asyncio.create_task(run(pool, "sleep", seconds=30, timeout_s=30))
        await asyncio.sleep(0.1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await run(pool, "echo", within_s=3)
        assert is_gone(pid)


async def test_a_job_of_a_cancelled_caller_that_ends_within_the_grace_period_keeps_its_child(
    monkeypatch,
):
    """A job of 50 ms."""
    monkeypatch.setattr(pool_module, "_CANCELLED_JOB_GRACE_S", 30)
    async with running_pool() as pool:
        before = pool.pids()
        working = asyncio.create_task(run(pool, "sleep", seconds=0.05))
        await asyncio.sleep(0.02)
        working.cancel()
        await run(pool, "echo")
        assert pool.pids() == before


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


async def test_a_child_killed_under_20_concurrent_jobs_loses_exactly_its_own():
    """The other nineteen finish."""
    async with running_pool(size=2) as pool:
        jobs = [asyncio.create_task(run(pool, "sleep", seconds=0.05)) for _ in range(20)]
        await asyncio.sleep(0)
        os.kill(pool.pids()[0], signal.SIGKILL)
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert sum(isinstance(outcome, ChildDied) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 19
        assert len(pool.pids()) == 2 or pool.is_ready()


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
