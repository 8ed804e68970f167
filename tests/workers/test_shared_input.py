"""Shared memory that carries the input of a job."""

import asyncio
import os
import time

import pytest

from app.runtime.bandwidth import BandwidthLimiter
from app.workers.shared_input import SharedInput
from tests.workers.pools import MB, run, running_pool


async def test_a_job_gets_its_bytes_and_arguments_and_rethrottled_facts_and_bytes():
    """Data of any length arrives and comes back unchanged, also an empty one."""
    async with running_pool() as pool:
        for data in (b"", b"abc", os.urandom(3 * MB)):
            facts, body = await run(pool, "echo", data, letter="ž", deep=[1, {"a": None}])
            assert body == data
            assert facts["args"] == {"letter": "ž", "deep": [1, {"a": None}]}


async def test_a_job_cannot_read_the_input_of_the_previous_job():
    """The input is cleared between jobs: what was there reads as nothing."""
    async with running_pool() as pool:
        first, _ = await run(pool, "size", b"secret" * 1000)
        facts, body = await run(pool, "echo", b"s")
        assert facts["pid"] == first["pid"]
        assert (facts["bytes"], body) == (1, b"s")


async def test_a_large_input_is_written_and_cleared_in_slices():
    """The event loop runs between any two slices of 1 MB."""

    class RecordedLimiter(BandwidthLimiter):
        async def throttle(self, moved_bytes: int, file_bytes: int) -> None:
            assert moved_bytes <= MB
            throttled.append(file_bytes)

    throttled: list[int] = []
    shared_input = SharedInput(64 * MB, RecordedLimiter(64 * MB))
    try:
        await shared_input.write(bytes(64 * MB))
        assert throttled == [at * MB for at in range(1, 64)]
        throttled.clear()
        await shared_input.clear(64 * MB)
        assert throttled == [at * MB for at in range(64, 0, -1)]
        assert os.pread(shared_input.fd, 4, 63 * MB) == b"\0\0\0\0"
    finally:
        shared_input.close()


@pytest.mark.measures
async def test_64_mb_of_input_do_not_hold_up_the_event_loop():
    """No pause of the loop is longer than a tenth of the job."""
    async with running_pool() as pool:
        longest_s = 0.0

        async def watch():
            nonlocal longest_s
            while True:
                began_s = time.perf_counter()
                await asyncio.sleep(0)
                longest_s = max(longest_s, time.perf_counter() - began_s)

        watching = asyncio.create_task(watch())
        began_s = time.perf_counter()
        facts, _ = await run(pool, "size", bytes(64 * MB))
        took_s = time.perf_counter() - began_s
        watching.cancel()
        assert facts["bytes"] == 64 * MB
        assert longest_s / took_s < 0.1


def test_writing_after_it_was_closed_touches_no_other_file():
    """The number of a closed descriptor may belong to another file by then."""
    shared_input = SharedInput(MB, BandwidthLimiter(MB))
    shared_input.close()
    shared_input.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        asyncio.run(shared_input.write(b"x"))
