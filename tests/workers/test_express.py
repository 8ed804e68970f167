"""Jobs that take far more processor time in the express child than was foreseen."""

import asyncio
import os
import signal

import pytest

from app.workers import express as express_module
from app.workers.cpu import processor_time_s
from app.workers.express import (
    BAN_S,
    INTERRUPT_AFTER_S,
    KILL_AFTER_S,
    PRESENT_S,
    ExpressAccess,
)
from app.workers.fair_queue import FairQueue
from app.workers.spawn import BASE_MEMORY_BYTES, EXPRESS_MAX_WORK_MS
from tests.workers.pools import express_pid, is_gone, run, running_pool
from tests.workers.test_confinement import linux

LONG_S = 4 * KILL_AFTER_S


@linux
async def test_a_job_that_outgrows_the_express_child_is_run_in_another_one():
    """With the same input. The express child was interrupted, and lives."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        facts, body = await run(
            pool, "burn_in_python", b"input", seconds=LONG_S, within_s=60, timeout_s=60
        )
        assert facts["pid"] != express
        assert body == b"input"
        assert express_pid(pool) == express
        assert (pool.jobs_outgrown, pool.children_lost) == (1, 0)
        assert (await run(pool, "echo", b"next"))[0]["pid"] == express


@linux
async def test_a_job_that_cannot_be_interrupted_costs_the_express_child_and_no_job(caplog):
    """The job is run anew, and another express child is started."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        facts, body = await run(
            pool, "burn_in_native_code", b"input", seconds=0.5, within_s=60, timeout_s=60
        )
        assert facts["pid"] != express
        assert body == b"input"
        assert is_gone(express)
        assert (pool.jobs_outgrown, pool.children_lost) == (1, 1)
        assert (await run(pool, "echo", b"next", within_s=60, timeout_s=60))[1] == b"next"
    events = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert events == ["job.outgrew_express_child"]


@linux
@pytest.mark.parametrize("handler", ["burn_in_python", "burn_in_native_code"])
@pytest.mark.slow
async def test_a_job_takes_no_more_processor_time_of_the_express_child_than_its_price(handler):
    """However long it would take. The child that starts anew meanwhile has its own time."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        used_s = [processor_time_s(express)]
        job = asyncio.create_task(run(pool, handler, seconds=1, within_s=60, timeout_s=60))
        while (now_s := processor_time_s(express)) is not None and not job.done():
            used_s.append(now_s)
            await asyncio.sleep(0.005)
        await job
    assert INTERRUPT_AFTER_S * 0.9 < used_s[-1] - used_s[0] < 2 * KILL_AFTER_S


@linux
async def test_a_job_that_waits_is_not_expensive():
    """Only processor time counts: a busy machine makes no job look long."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        facts, _ = await run(pool, "sleep", seconds=3 * KILL_AFTER_S)
        assert facts["pid"] == express
        assert pool.jobs_outgrown == 0


async def test_a_single_child_is_not_watched():
    """It is no express child."""
    async with running_pool(size=1) as pool:
        await run(pool, "burn_in_python", seconds=2 * KILL_AFTER_S, within_s=60, timeout_s=60)
        assert pool.jobs_outgrown == 0


@linux
@pytest.mark.slow
async def test_a_caller_whose_job_outgrew_the_express_child_has_no_part_in_it_for_a_while(
    monkeypatch,
):
    """Nor have the jobs that wait already. Other callers have."""
    monkeypatch.setattr(express_module, "BAN_S", 600)
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        burning = [
            asyncio.create_task(
                run(
                    pool,
                    "burn_in_python",
                    seconds=0.3,
                    within_s=60,
                    timeout_s=60,
                    fairness_key=("eve", host),
                )
            )
            for host in ("1", "2", "3")
        ]
        await asyncio.gather(*burning)
        assert pool.jobs_outgrown == 1
        facts, _ = await run(pool, "echo", within_s=60, timeout_s=60, fairness_key=("eve", "4"))
        assert facts["pid"] != express
        assert (await run(pool, "echo", fairness_key=("anna", "1")))[0]["pid"] == express


def test_a_ban_ends():
    """It is for the caller, whatever the host; the server's own jobs have no caller."""
    now_s = 100.0
    access = ExpressAccess(lambda: now_s)
    access.ban(("eve", "1"))
    access.ban(())
    assert not access.is_open_to(("eve", "2"))
    assert access.is_open_to(("anna", "1"))
    assert access.is_open_to(())
    now_s += BAN_S
    assert access.is_open_to(("eve", "1"))


def test_who_keeps_other_children_busy_has_no_part_in_the_express_child_while_others_are_there():
    """Alone it has: no core is to be idle for want of callers."""
    now_s = 100.0
    access = ExpressAccess(lambda: now_s)
    elsewhere = [("many", "1"), ()]
    jobs = {("many",): 3, (): 1}
    access.see(("many", "1"))
    access.see(())
    assert access.choose_excluded(elsewhere, jobs) == frozenset()
    access.see(("one", "1"))
    assert access.choose_excluded(elsewhere, jobs) == {("many",)}
    assert access.choose_excluded([], jobs) == frozenset(), "it has nothing in another child"
    assert access.choose_excluded(elsewhere, jobs | {("one",): 1}) == frozenset(), "about as many"
    now_s += PRESENT_S
    access.see(("many", "2"))
    assert access.choose_excluded(elsewhere, jobs) == frozenset()


@linux
async def test_a_caller_with_many_jobs_leaves_the_express_child_to_one_with_few():
    """Whose jobs need not wait for the ordinary children, which have less weight."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        await run(pool, "echo", fairness_key=("one", "1"))
        many = [
            asyncio.create_task(run(pool, "sleep", seconds=0.05, fairness_key=("many", "1")))
            for _ in range(8)
        ]
        await many[0]
        for _ in range(3):
            facts, _ = await run(pool, "echo", fairness_key=("one", "1"))
            assert facts["pid"] == express
        pids = [(await job)[0]["pid"] for job in many]
        assert express not in pids[1:5], "while it has more than two jobs"


async def test_the_second_job_of_a_caller_waits_for_the_express_child_and_the_third_does_not():
    """Where it shares the cores with another caller: an idle ordinary child has less weight."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        await run(pool, "echo", fairness_key=("other", "1"))
        jobs = [
            asyncio.create_task(run(pool, "sleep", seconds=seconds, fairness_key=("one", "1")))
            for seconds in (0.1, 0.1, 0.5)
        ]
        pids = [(await job)[0]["pid"] for job in jobs]
        assert [pid == express for pid in pids] == [True, True, False]


async def test_a_caller_alone_uses_every_child_at_once():
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        jobs = [
            asyncio.create_task(run(pool, "sleep", seconds=0.2, fairness_key=("one", "1")))
            for _ in range(2)
        ]
        pids = [(await job)[0]["pid"] for job in jobs]
        assert [pid == express for pid in pids] == [True, False]


@linux
async def test_a_job_that_waits_for_an_express_child_that_dies_is_run_in_another_one():
    """At once, and not when another express child has started."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        await run(pool, "echo", fairness_key=("other", "1"))
        first = asyncio.create_task(run(pool, "sleep", seconds=30, fairness_key=("one", "1"),
                                        timeout_s=60, within_s=60))  # fmt: skip
        second = asyncio.create_task(run(pool, "echo", fairness_key=("one", "1")))
        await asyncio.sleep(0.05)
        assert not second.done()
        os.kill(express, signal.SIGKILL)
        await second
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_waiting_jobs_of_a_banned_caller_keep_their_place():
    """In front of the ordinary children."""
    queue: FairQueue[str] = FairQueue()
    first = queue.enqueue(may_express=True, fairness_key=("eve", "1"))
    own = queue.enqueue(may_express=True, fairness_key=())
    queue.exclude_from_express(("eve", "9"))
    assert queue.dequeue(is_express=True, in_work=()).future is own
    assert queue.dequeue(is_express=True, in_work=()) is None
    assert queue.dequeue(is_express=False, in_work=()).future is first


async def test_work_may_be_announced_before_memory_is_reserved():
    """Long work leaves the express child at once, and short work stays."""
    async with running_pool(size=2) as pool:
        express = express_pid(pool)
        facts, _ = await run(pool, "announce_twice", reserve_bytes=1, work_ms=1)
        assert facts["pid"] == express
        facts, _ = await run(
            pool,
            "announce_twice",
            reserve_bytes=BASE_MEMORY_BYTES + 1,
            work_ms=EXPRESS_MAX_WORK_MS + 1,
        )
        assert facts["pid"] != express
        assert pool.children_lost == 0
