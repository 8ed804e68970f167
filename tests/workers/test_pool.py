"""The pool of child processes, with real children and jobs that misbehave as decoders do."""

import asyncio
import os
import signal
import sys
import time

import pytest

from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.pool import ChildPool
from app.workers.spawn import EXPRESS_MS, FREE_BYTES
from tests.workers.pools import MB, children, is_gone, open_files, run


async def test_a_job_gets_its_bytes_and_arguments_and_hands_back_facts_and_bytes():
    """Data of any length, none included, goes there and comes back."""
    async with children() as pool:
        for data in (b"", b"abc", os.urandom(3 * MB)):
            facts, body = await run(pool, "echo", data, letter="ž", deep=[1, {"a": None}])
            assert body == data
            assert facts["args"] == {"letter": "ž", "deep": [1, {"a": None}]}


async def test_one_job_cannot_see_the_bytes_of_the_one_before():
    """The input is emptied between jobs: what was there reads as nothing."""
    async with children() as pool:
        first, _ = await run(pool, "size", b"secret" * 1000)
        facts, body = await run(pool, "echo", b"s")
        assert facts["pid"] == first["pid"]
        assert (facts["bytes"], body) == (1, b"s")


async def test_64_mb_of_input_do_not_hold_up_the_event_loop():
    """The loop is never away for more than some milliseconds while the input is written."""
    async with children() as pool:
        longest = 0.0

        async def watch():
            nonlocal longest
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0)
                longest = max(longest, time.perf_counter() - began)

        watching = asyncio.create_task(watch())
        facts, _ = await run(pool, "size", bytes(64 * MB))
        watching.cancel()
        assert facts["bytes"] == 64 * MB
        assert longest < 0.05


async def test_more_input_than_was_agreed_is_refused_before_it_is_sent():
    """The limit is the pool's own: no child is touched."""
    async with children(input_max_bytes=1000) as pool:
        with pytest.raises(ValueError, match="input_max_bytes"):
            await run(pool, "echo", bytes(1001))


async def test_a_refusal_keeps_the_child():
    """Code, sentence and reason come through, and the same process goes on."""
    async with children() as pool:
        before = pool.pids()
        with pytest.raises(JobRefused) as caught:
            await run(pool, "refuse")
        assert (caught.value.code, caught.value.detail) == ("nope", "This is not for us.")
        assert caught.value.reason == "secret reason"
        assert (await run(pool, "echo"))[0]["pid"] == before[0]
        assert pool.lost == 0


async def test_a_bug_in_a_handler_is_told_by_its_place_and_not_by_its_message():
    """An exception's message may quote the stranger's file."""
    async with children() as pool:
        with pytest.raises(ChildDied, match=r"KeyError at .*handlers\.py:\d+") as caught:
            await run(pool, "stumble")
        assert "quote" not in str(caught.value)


@pytest.mark.parametrize("job", ["crash", "nonsense", "starve", "nag"])
async def test_a_child_that_dies_or_talks_nonsense_loses_its_own_job_only(job):
    """The next job finds a child, after 30 s at the latest and in fact at once."""
    async with children() as pool:
        with pytest.raises((ChildDied, JobRefused)):
            await run(pool, job, timeout_s=1)
        assert (await run(pool, "echo", b"next"))[1] == b"next"


async def test_a_result_over_the_limit_is_not_read():
    """20 MB announced is nonsense before a byte of it is taken."""
    async with children() as pool:
        with pytest.raises(ChildDied, match="nonsense"):
            await run(pool, "flood", bytes=20 * MB)


async def test_the_last_words_of_a_dead_child_are_cut_to_plain_characters():
    """What a decoder prints may quote the file, control characters included."""
    async with children() as pool:
        with pytest.raises(ChildDied) as caught:
            await run(pool, "crash")
        assert "last words" in str(caught.value)
        assert str(caught.value).isascii()
        assert "\x00" not in str(caught.value)


async def test_a_chattering_child_is_not_held_up_by_its_own_words():
    """640 KB on standard error that nobody reads do not block it."""
    async with children() as pool:
        assert await run(pool, "chatter", timeout_s=2) == ({}, b"")


async def test_work_that_takes_too_long_is_killed_on_time():
    """A child that hears no signal is gone soon after its time, and another is there."""
    async with children() as pool:
        (pid,) = pool.pids()
        began = time.monotonic()
        with pytest.raises(ChildTimeout):
            await run(pool, "sleep", seconds=30, timeout_s=0.2)
        assert time.monotonic() - began < 1
        await run(pool, "echo")
        assert is_gone(pid)


async def test_waiting_for_a_child_ends_at_the_deadline_and_harms_nobody():
    """The job in work is done; the one that waited is told, and took nothing with it."""
    async with children() as pool:
        working = asyncio.create_task(run(pool, "sleep", seconds=0.4))
        await asyncio.sleep(0.05)
        with pytest.raises(PoolBusy):
            await run(pool, "echo", within_s=0.1)
        await working
        with pytest.raises(PoolBusy):
            await run(pool, "echo", within_s=0)
        assert pool.lost == 0
        assert pool.waiting == 0


async def test_jobs_are_done_in_the_order_they_came():
    """First in, first out, over one child."""
    async with children() as pool:
        order = []

        async def one(number):
            await run(pool, "echo")
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))


async def test_a_caller_that_goes_away_stops_its_work():
    """The child is killed if the job does not end by itself within a moment."""
    async with children() as pool:
        (pid,) = pool.pids()
        working = asyncio.create_task(run(pool, "sleep", seconds=30, timeout_s=30))
        await asyncio.sleep(0.1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await run(pool, "echo", within_s=3)
        assert is_gone(pid)


async def test_a_caller_that_goes_away_just_before_the_end_costs_no_child():
    """A job of 50 ms whose caller has left is finished; its child is used again."""
    async with children() as pool:
        before = pool.pids()
        working = asyncio.create_task(run(pool, "sleep", seconds=0.05))
        await asyncio.sleep(0.02)
        working.cancel()
        await run(pool, "echo")
        assert pool.pids() == before


async def test_cancelling_one_that_waits_in_line_touches_no_child():
    """Neither the child nor the ones behind it notice."""
    async with children() as pool:
        working = asyncio.create_task(run(pool, "sleep", seconds=0.2))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(run(pool, "echo"))
        behind = asyncio.create_task(run(pool, "echo", b"behind"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await working
        assert (await behind)[1] == b"behind"
        assert pool.lost == 0


async def test_kill_9_under_20_concurrent_jobs_fails_exactly_the_one_in_that_child():
    """Nineteen others are answered."""
    async with children(size=2) as pool:
        jobs = [asyncio.create_task(run(pool, "sleep", seconds=0.05)) for _ in range(20)]
        await asyncio.sleep(0.12)
        os.kill(pool.pids()[0], signal.SIGKILL)
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert sum(isinstance(one, ChildDied) for one in outcomes) == 1
        assert sum(isinstance(one, tuple) for one in outcomes) == 19
        assert len(pool.pids()) == 2 or pool.is_ready()


async def test_a_child_killed_while_idle_fails_nobody():
    """It is found dead when its turn comes, and another is taken."""
    async with children(size=2) as pool:
        os.kill(pool.pids()[0], signal.SIGKILL)
        await asyncio.sleep(0.1)
        for _ in range(2):
            await asyncio.gather(*(run(pool, "sleep", seconds=0.05) for _ in range(2)))
        assert pool.lost == 1


async def test_sigterm_does_not_end_a_child():
    """Service managers send it to the whole group at a drain; jobs in work end first."""
    async with children() as pool:
        working = asyncio.create_task(run(pool, "sleep", seconds=0.2))
        await asyncio.sleep(0.05)
        os.kill(pool.pids()[0], signal.SIGTERM)
        os.kill(pool.pids()[0], signal.SIGINT)
        assert (await working)[1] == b""


async def test_children_are_renewed_after_their_share_of_jobs_without_a_failure():
    """Some tens of jobs over children that do five each: several processes, no job lost."""
    async with children(size=1, max_jobs_per_child=5) as pool:
        pids = set()
        for _ in range(40):
            facts, _ = await run(pool, "sleep", seconds=0.01)
            pids.add(facts["pid"])
        assert len(pids) > 1
        assert pool.lost == 0
        assert len(pool.pids()) <= 2


async def test_closing_leaves_no_process_and_no_open_file():
    """With a job in work, one in line, and one child just killed."""
    before = open_files()
    async with children(size=2) as pool:
        pids = pool.pids()
        jobs = [asyncio.create_task(run(pool, "sleep", seconds=30)) for _ in range(3)]
        await asyncio.sleep(0.1)
        os.kill(pids[0], signal.SIGKILL)
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(one, PoolBusy | ChildDied | asyncio.CancelledError) for one in outcomes)
    assert all(is_gone(pid) for pid in pids)
    assert open_files() == before
    assert not pool.is_ready()
    with pytest.raises(PoolBusy):
        await run(pool, "echo")


async def test_a_pool_whose_children_cannot_start_says_why():
    """A handler that is not there is a broken installation: no endless trying."""
    pool = ChildPool(size=2, handlers={"x": "tests.workers.no_such_module:x"})
    with pytest.raises(ChildDied, match=r"did not start: .*no_such_module"):
        await pool.start()
    assert not pool.is_ready()


async def test_short_work_goes_to_the_express_child_wherever_others_are_idle():
    """Behind costly jobs of its siblings it would weigh too little."""
    async with children(size=3) as pool:
        (express,) = {child.pid for child in pool._children if child.is_express}
        for _ in range(5):
            facts, _ = await run(pool, "labour", ask=1, work_ms=1)
            assert facts["pid"] == express


@pytest.mark.parametrize(("ask", "work_ms"), [(1, EXPRESS_MS + 1), (FREE_BYTES + 1, 1)])
async def test_long_work_is_not_for_the_express_child(ask, work_ms):
    """Neither much memory nor much time: a picture of 40 KB can take a second."""
    async with children(size=2) as pool:
        (express,) = {child.pid for child in pool._children if child.is_express}
        for _ in range(3):
            facts, _ = await run(pool, "labour", ask=ask, work_ms=work_ms)
            assert facts["pid"] != express
        assert pool.lost == 0


async def test_a_child_alone_does_long_work_too():
    """There is nobody else to do it."""
    async with children(size=1) as pool:
        assert await run(pool, "labour", ask=1, work_ms=10_000)


@pytest.mark.skipif(sys.platform != "linux", reason="tells glibc how to allocate")
async def test_a_large_job_leaves_no_holes_behind():
    """80 MB in a hundred pieces: asked for, they do not cost a new child."""
    async with children() as pool:
        first, _ = await run(pool, "holey", take=80_000_000, ask=True)
        second, _ = await run(pool, "holey", take=80_000_000, ask=True)
        await asyncio.sleep(0.5)
        third, _ = await run(pool, "echo")
        assert first["pid"] == second["pid"] == third["pid"]
