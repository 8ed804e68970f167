"""What a child process cannot do."""

import asyncio
import errno
import os
import signal
from pathlib import Path

import pytest

from tests.workers.pools import run, running_pool

linux = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="only Linux has these limits and counters"
)


@linux
async def test_a_child_cannot_open_files_or_sockets_or_start_or_signal_processes():
    """Each attempt fails with an ordinary error."""
    async with running_pool() as pool:
        facts, _ = await run(pool, "try_forbidden_calls")
        names = facts.pop("environment")
        assert set(facts.values()) <= {errno.EPERM, errno.EMFILE, errno.EACCES}, facts
        assert not any("KEY" in name or "SECRET" in name for name in names)


@linux
async def test_children_end_with_their_parent_however_it_ends():
    """A server that is killed leaves no busy child behind."""
    script = (
        "import asyncio, os\n"
        "from app.workers.pool import WorkerPool\n"
        "from app.runtime.deadline import Deadline\n"
        "async def main():\n"
        "    pool = WorkerPool(size=2, handlers={'s': 'tests.workers.handlers:sleep'})\n"
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
    try:  # init may not have waited for the orphan yet: then it is a zombie
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_sigterm_does_not_end_a_child():
    """Service managers signal the whole process group at shutdown; jobs in work finish first."""
    async with running_pool() as pool:
        working = asyncio.create_task(run(pool, "sleep", seconds=0.2))
        await asyncio.sleep(0.05)
        os.kill(pool.pids()[0], signal.SIGTERM)
        os.kill(pool.pids()[0], signal.SIGINT)
        assert (await working)[1] == b""
