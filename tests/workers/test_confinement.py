"""What a child may take, and what it cannot do however hard a job tries."""

import asyncio
import errno
import os
from itertools import pairwise
from pathlib import Path

import pytest

from app.runtime.semaphore import WeightedSemaphore
from app.workers.errors import ChildTimeout, JobRefused, PoolBusy
from app.workers.spawn import EXPRESS_NICENESS, FREE_BYTES, NICENESS
from testing.process_tree import resident_bytes
from tests.workers.pools import MB, children, run

linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="these walls are Linux's")


async def test_large_jobs_wait_for_memory_in_turn():
    """Two that would need more than all there is are done one after the other, no one refused."""
    memory = WeightedSemaphore(100 * MB)
    async with children(size=2, memory=memory) as pool:
        ask = FREE_BYTES + 60 * MB
        answers = await asyncio.gather(
            *(
                run(pool, "hoard", ask=ask, take=60 * MB, seconds=0.1, timeout_s=0.5)
                for _ in range(6)
            )
        )
        spans = sorted((facts["began"], facts["ended"]) for facts, _ in answers)
        assert all(one[1] <= two[0] for one, two in pairwise(spans))
        assert memory.used == 0


async def test_waiting_for_memory_does_not_count_as_work_but_ends_at_the_deadline():
    """The one that waited in vain is told so; its child lives and is used again."""
    memory = WeightedSemaphore(100 * MB)
    async with children(size=2, memory=memory) as pool:
        ask = FREE_BYTES + 60 * MB
        first = asyncio.create_task(run(pool, "hoard", ask=ask, take=MB, seconds=0.6))
        await asyncio.sleep(0.1)
        with pytest.raises(PoolBusy):
            await run(pool, "hoard", ask=ask, take=MB, within_s=0.2)
        await first
        assert pool.lost == 0
        assert memory.used == 0


async def test_a_job_that_wants_more_than_there_is_at_all_is_refused():
    """At once, with the code `memory`."""
    async with children(memory=WeightedSemaphore(100 * MB)) as pool:
        with pytest.raises(JobRefused) as caught:
            await run(pool, "hoard", ask=200 * MB, take=1)
        assert caught.value.code == "memory"


@linux
async def test_a_job_that_takes_more_than_it_asked_for_runs_into_its_limit():
    """An estimate that a file lied about ends there, however much is free."""
    memory = WeightedSemaphore(1000 * MB)
    async with children(memory=memory) as pool:
        for settings in ({}, {"ask": FREE_BYTES + 50 * MB}):
            with pytest.raises(JobRefused) as caught:
                await run(pool, "hoard", take=400 * MB, **settings)
            assert caught.value.code == "memory"
        await run(pool, "hoard", take=400 * MB, ask=410 * MB)
        assert memory.used == 0


@linux
async def test_memory_that_a_job_freed_goes_back_to_the_system():
    """No limit counts what an idle child holds: after large pictures that was 100 MB in each."""
    async with children() as pool:
        (pid,) = pool.pids()
        before = resident_bytes(pid)
        await run(pool, "crumble", take=48 * MB)
        assert resident_bytes(pid) < before + 24 * MB
        assert pool.pids() == [pid]


@linux
async def test_a_child_whose_heap_is_full_of_holes_makes_way_for_a_fresh_one():
    """Its address space would not do for the next ordinary picture; nobody loses a job for it."""
    async with children() as pool:
        (pid,) = pool.pids()
        await run(pool, "crumble", take=96 * MB)
        async with asyncio.timeout(5):
            while (facts := (await run(pool, "hoard", take=24 * MB))[0])["pid"] == pid:
                await asyncio.sleep(0.05)
        assert pool.pids() == [facts["pid"]]
        assert pool.lost == 0


async def test_memory_is_given_back_when_a_child_dies_holding_it():
    """Timed out with 60 MB taken: they are free again."""
    memory = WeightedSemaphore(100 * MB)
    async with children(memory=memory) as pool:
        with pytest.raises(ChildTimeout):
            await run(pool, "hoard", ask=FREE_BYTES + 60 * MB, take=1, seconds=9, timeout_s=0.2)
        assert memory.used == 0


@linux
async def test_a_child_can_open_nothing_reach_nothing_start_nothing():
    """Files, sockets, processes, signals: each door answers an error."""
    async with children() as pool:
        facts, _ = await run(pool, "break_out")
        names = facts.pop("environment")
        assert set(facts.values()) <= {errno.EPERM, errno.EMFILE, errno.EACCES}, facts
        assert not any("KEY" in name or "SECRET" in name for name in names)


async def test_a_child_inherits_no_secret(monkeypatch):
    """Its environment is made, not copied."""
    monkeypatch.setenv("ALTWRIGHT_MODEL_API_KEY", "sk-secret")
    async with children() as pool:
        facts, _ = await run(pool, "break_out")
        assert not [name for name in facts["environment"] if name.startswith("ALTWRIGHT")]


@linux
async def test_children_die_with_their_parent_however_it_dies():
    """A server that is killed outright leaves no busy child behind."""
    script = (
        "import asyncio, os\n"
        "from app.workers.pool import ChildPool\n"
        "from app.runtime.deadline import Deadline\n"
        "async def main():\n"
        "    pool = ChildPool(size=2, handlers={'s': 'tests.workers.handlers:sleep'})\n"
        "    await pool.start()\n"
        "    job = pool.run('s', b'', {'seconds': 60}, timeout_s=60, deadline=Deadline.after(60))\n"
        "    asyncio.ensure_future(job)\n"
        "    await asyncio.sleep(0.1)\n"
        "    print(*pool.pids(), flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        os.sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    parent.kill()
    await parent.wait()
    for _ in range(100):
        if all(_is_dead(pid) for pid in pids):
            return
        await asyncio.sleep(0.02)
    pytest.fail("children outlived their parent")


def _is_dead(pid: int) -> bool:
    try:  # an orphan's zombie waits for whoever is init here
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@linux
async def test_costly_jobs_yield_to_cheap_ones_and_both_to_the_server():
    """Only the child for cheap ones may push the other aside when it wakes."""
    async with children(size=2) as pool:
        answers = await asyncio.gather(*(run(pool, "sleep", seconds=0.2) for _ in range(2)))
        pids = [facts["pid"] for facts, _ in answers]
        own = os.getpriority(os.PRIO_PROCESS, 0)
        found = sorted(
            (os.getpriority(os.PRIO_PROCESS, pid) - own, os.sched_getscheduler(pid)) for pid in pids
        )
    assert found == [
        (EXPRESS_NICENESS, os.SCHED_OTHER),
        (NICENESS, os.SCHED_BATCH),
    ]


@linux
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
async def test_the_express_child_works_on_another_core_than_the_server():
    """Woken on the server's it would wait for the server, and leave the other to costly work."""
    async with children(size=2) as pool:
        (express,) = {child.pid for child in pool._children if child.is_express}
        ours = os.sched_getaffinity(0)
        await run(pool, "echo")
        theirs = os.sched_getaffinity(express)
        assert theirs < ours
        assert len(theirs) == len(ours) - 1
