"""Memory that a child process holds between jobs."""

import asyncio
import sys

import pytest

from testing.process_tree import memory_bytes
from tests.workers.pools import MB, run, running_pool
from tests.workers.test_confinement import linux


@linux
async def test_memory_that_a_job_freed_returns_to_the_system():
    """No limit counts what an idle child holds: after large images that was 100 MB in each."""
    async with running_pool() as pool:
        (pid,) = pool.pids()
        before = memory_bytes(pid)
        await run(pool, "leave_a_hole", bytes=48 * MB)
        assert memory_bytes(pid) < before + 24 * MB
        assert pool.pids() == [pid]


@linux
async def test_a_child_with_a_fragmented_heap_is_replaced_without_losing_a_job():
    """Its address space would not be enough for the next ordinary image."""
    async with running_pool() as pool:
        (pid,) = pool.pids()
        await run(pool, "leave_a_hole", bytes=96 * MB)
        async with asyncio.timeout(20):
            while (facts := (await run(pool, "allocate", bytes=24 * MB))[0])["pid"] == pid:
                await asyncio.sleep(0.05)
        assert pool.pids() == [facts["pid"]]
        assert pool.children_lost == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc's mallopt")
async def test_a_large_job_with_a_reservation_does_not_fragment_the_heap():
    """80 MB in a hundred blocks do not cost a new child."""
    async with running_pool() as pool:
        first, _ = await run(pool, "fragment", bytes=80_000_000)
        second, _ = await run(pool, "fragment", bytes=80_000_000)
        await asyncio.sleep(0.5)
        third, _ = await run(pool, "echo")
        assert first["pid"] == second["pid"] == third["pid"]
