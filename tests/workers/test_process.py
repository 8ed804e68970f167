"""One child process: what it may send, what it may take, and what happens when a job goes wrong."""

import asyncio
import time
from itertools import pairwise

import pytest

from app.runtime.semaphore import WeightedSemaphore
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.spawn import BASE_MEMORY_BYTES
from tests.workers.pools import MB, is_gone, run, running_pool
from tests.workers.test_confinement import linux


async def test_a_refused_job_keeps_its_child():
    """Code and reason arrive, and the same process runs the next job."""
    async with running_pool() as pool:
        before = pool.pids()
        with pytest.raises(JobRefused) as caught:
            await run(pool, "refuse")
        assert (caught.value.code, caught.value.reason) == ("nope", "secret reason")
        assert (await run(pool, "echo"))[0]["pid"] == before[0]
        assert pool.children_lost == 0


async def test_a_bug_in_a_handler_is_reported_by_its_place_and_not_by_its_message():
    """The message of an exception may quote the file."""
    async with running_pool() as pool:
        with pytest.raises(ChildDied, match=r"KeyError at .*handlers\.py:\d+") as caught:
            await run(pool, "raise_error")
        assert "quote" not in str(caught.value)


@pytest.mark.parametrize("handler", ["crash", "send_garbage", "reserve_no_number", "reserve_twice"])
async def test_a_child_that_dies_or_sends_invalid_messages_loses_only_its_own_job(handler):
    """The next job finds a child."""
    async with running_pool() as pool:
        with pytest.raises((ChildDied, JobRefused)):
            await run(pool, handler, timeout_s=1)
        assert (await run(pool, "echo", b"next"))[1] == b"next"


async def test_a_result_over_the_limit_is_not_read():
    """A header that announces 20 MB is invalid, whatever follows."""
    async with running_pool() as pool:
        with pytest.raises(ChildDied, match="invalid message"):
            await run(pool, "return_zeros", bytes=20 * MB)


async def test_the_stderr_of_a_dead_child_is_reduced_to_plain_characters():
    """What a decoder prints may quote the file, control characters included."""
    async with running_pool() as pool:
        with pytest.raises(ChildDied) as caught:
            await run(pool, "crash")
        assert "last words" in str(caught.value)
        assert str(caught.value).isascii()
        assert "\x00" not in str(caught.value)


async def test_a_child_that_fills_its_stderr_does_not_block():
    """640 KB that nobody reads."""
    async with running_pool() as pool:
        assert await run(pool, "fill_stderr", timeout_s=2) == ({}, b"")


async def test_a_child_whose_work_takes_too_long_is_killed():
    """It is replaced by another one."""
    async with running_pool() as pool:
        (pid,) = pool.pids()
        with pytest.raises(ChildTimeout):
            await run(pool, "sleep", seconds=30, timeout_s=0.2)
        await run(pool, "echo")
        assert is_gone(pid)


@pytest.mark.measures
async def test_a_child_whose_work_takes_too_long_is_killed_on_time():
    """Within five times its time limit, although the job takes 150 times as long."""
    async with running_pool() as pool:
        timeout_s = 0.2
        began_s = time.monotonic()
        with pytest.raises(ChildTimeout):
            await run(pool, "sleep", seconds=30, timeout_s=timeout_s)
        assert (time.monotonic() - began_s) / timeout_s < 5


async def test_jobs_with_large_reservations_wait_for_memory():
    """Jobs that together need more than there is run one after the other, and none is refused."""
    memory = WeightedSemaphore(100 * MB)
    async with running_pool(size=2, memory=memory) as pool:
        results = await asyncio.gather(
            *(
                run(
                    pool,
                    "allocate",
                    reserve_bytes=BASE_MEMORY_BYTES + 60 * MB,
                    bytes=60 * MB,
                    seconds=0.1,
                )
                for _ in range(6)
            )
        )
        spans = sorted((facts["began"], facts["ended"]) for facts, _ in results)
        assert all(one[1] <= two[0] for one, two in pairwise(spans))
        assert memory.used == 0


async def test_waiting_for_memory_does_not_count_as_work():
    """The job gets its memory later than its time limit for the work."""
    memory = WeightedSemaphore(100 * MB)
    async with running_pool(memory=memory) as pool:
        await memory.acquire(100 * MB)
        waiting = asyncio.create_task(
            run(pool, "allocate", reserve_bytes=BASE_MEMORY_BYTES + 1, bytes=1, timeout_s=1)
        )
        await asyncio.sleep(1.5)
        memory.release(100 * MB)
        await waiting
        assert memory.used == 0


async def test_waiting_for_memory_ends_at_the_deadline_and_keeps_the_child():
    """The child that waited in vain runs the next job."""
    memory = WeightedSemaphore(100 * MB)
    reserve_bytes = BASE_MEMORY_BYTES + 60 * MB
    async with running_pool(memory=memory) as pool:
        (pid,) = pool.pids()
        await memory.acquire(60 * MB)
        with pytest.raises(PoolBusy):
            await run(pool, "allocate", reserve_bytes=reserve_bytes, bytes=MB, within_s=0.2)
        memory.release(60 * MB)
        facts, _ = await run(pool, "allocate", reserve_bytes=reserve_bytes, bytes=MB)
        assert facts["pid"] == pid
        assert pool.children_lost == 0
        assert memory.used == 0


async def test_a_reservation_of_more_than_the_pool_has_is_refused():
    """At once, with the code `memory`."""
    async with running_pool(memory=WeightedSemaphore(100 * MB)) as pool:
        with pytest.raises(JobRefused) as caught:
            await run(pool, "allocate", reserve_bytes=200 * MB, bytes=1)
        assert caught.value.code == "memory"


@linux
async def test_a_job_cannot_take_more_memory_than_it_reserved():
    """A file may lie about its needs, however much memory is free."""
    memory = WeightedSemaphore(1000 * MB)
    async with running_pool(memory=memory) as pool:
        for reservation in ({}, {"reserve_bytes": BASE_MEMORY_BYTES + 50 * MB}):
            with pytest.raises(JobRefused) as caught:
                await run(pool, "allocate", bytes=400 * MB, **reservation)
            assert caught.value.code == "memory"
        await run(pool, "allocate", bytes=400 * MB, reserve_bytes=410 * MB)
        assert memory.used == 0


async def test_reserved_memory_is_released_when_a_child_dies():
    """A child that is killed with 60 MB reserved."""
    memory = WeightedSemaphore(100 * MB)
    async with running_pool(memory=memory) as pool:
        with pytest.raises(ChildTimeout):
            await run(
                pool,
                "allocate",
                reserve_bytes=BASE_MEMORY_BYTES + 60 * MB,
                bytes=1,
                seconds=9,
                timeout_s=0.2,
            )
        assert memory.used == 0
