"""How a child process is started."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.workers.errors import ChildDied
from app.workers.pool import WorkerPool
from app.workers.spawn import EXPRESS_NICENESS, NICENESS
from tests.workers.pools import HANDLERS, run, running_pool
from tests.workers.test_confinement import linux


async def test_a_child_inherits_no_secret(monkeypatch):
    """Its environment is made new, not copied."""
    monkeypatch.setenv("ALTWRIGHT_MODEL_API_KEY", "sk-secret")
    async with running_pool() as pool:
        facts, _ = await run(pool, "try_forbidden_calls")
        assert not [name for name in facts["environment"] if name.startswith("ALTWRIGHT")]


@pytest.fixture
def own_priority() -> Iterator[int]:
    """This process's niceness: 0 where that is permitted, since 19 cannot be told from 29."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    yield os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, before)


@linux
async def test_ordinary_children_have_less_weight_than_the_express_child_and_both_than_the_server(
    own_priority: int,
):
    """Only the express child may preempt another process when it wakes."""
    async with running_pool(size=2) as pool:
        results = await asyncio.gather(*(run(pool, "sleep", seconds=0.2) for _ in range(2)))
        pids = [facts["pid"] for facts, _ in results]
        found = sorted(
            (os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid)) for pid in pids
        )
    assert found == [
        (min(19, own_priority + EXPRESS_NICENESS), os.SCHED_OTHER),
        (min(19, own_priority + NICENESS), os.SCHED_BATCH),
    ]


@linux
async def test_only_the_first_children_warm_up_with_the_servers_priority(own_priority: int):
    """Nothing is served before they are ready. A replacement starts while others are served."""
    lowered = min(19, own_priority + NICENESS)
    async with running_pool() as pool:
        first, _ = await run(pool, "niceness_at_warm_up")
        assert first["niceness"] == own_priority
        assert os.getpriority(os.PRIO_PROCESS, first["pid"]) == lowered
        with pytest.raises(ChildDied):
            await run(pool, "crash")
        replacement, _ = await run(pool, "niceness_at_warm_up")
    assert replacement["niceness"] == lowered


@linux
async def test_threads_that_a_library_started_before_have_the_priority_of_their_child(
    own_priority: int,
):
    async with running_pool() as pool:
        [pid] = pool.pids()
        threads = [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
        found = {
            (os.getpriority(os.PRIO_PROCESS, thread), os.sched_getscheduler(thread))
            for thread in threads
        }
    assert len(threads) > 1
    assert found == {(min(19, own_priority + NICENESS), os.SCHED_BATCH)}


async def test_a_start_that_is_tried_again_takes_no_precedence(monkeypatch):
    """The server may serve already, without what the pool does for it."""
    asked = []

    async def start(_config, *, is_express, is_urgent):
        asked.append(is_urgent)
        raise ChildDied("did not start")

    monkeypatch.setattr("app.workers.process.ChildProcess.start", start)
    pool = WorkerPool(size=1, handlers=HANDLERS)
    for _ in range(2):
        with pytest.raises(ChildDied):
            await pool.start()
    assert asked == [True, False]


@linux
def test_a_thread_that_ends_while_priorities_are_lowered_is_no_error():
    code = (
        "import os; from app.workers import confinement; before = os.getpriority(0, 0); "
        "confinement._own_threads = lambda: [4_194_303, 0]; "
        "confinement.lower_priority(1, as_batch=True); "
        "print(os.getpriority(0, 0) == min(19, before + 1))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"
