"""How a child process is started."""

import asyncio
import os

from app.workers.spawn import EXPRESS_NICENESS, NICENESS
from tests.workers.pools import run, running_pool
from tests.workers.test_confinement import linux


async def test_a_child_inherits_no_secret(monkeypatch):
    """Its environment is made new, not copied."""
    monkeypatch.setenv("ALTWRIGHT_MODEL_API_KEY", "sk-secret")
    async with running_pool() as pool:
        facts, _ = await run(pool, "try_forbidden_calls")
        assert not [name for name in facts["environment"] if name.startswith("ALTWRIGHT")]


@linux
async def test_ordinary_children_have_less_weight_than_the_express_child_and_both_than_the_server():
    """Only the express child may preempt another process when it wakes."""
    async with running_pool(size=2) as pool:
        results = await asyncio.gather(*(run(pool, "sleep", seconds=0.2) for _ in range(2)))
        pids = [facts["pid"] for facts, _ in results]
        own = os.getpriority(os.PRIO_PROCESS, 0)
        found = sorted(
            (os.getpriority(os.PRIO_PROCESS, pid) - own, os.sched_getscheduler(pid)) for pid in pids
        )
    assert found == [
        (EXPRESS_NICENESS, os.SCHED_OTHER),
        (NICENESS, os.SCHED_BATCH),
    ]
