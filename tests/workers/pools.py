"""Worker pools whose children run the handlers of `handlers.py`."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.runtime.deadline import Deadline
from app.workers.child_choice import ChildState
from app.workers.pool import WorkerPool
from tests.workers import handlers

MB = 1024 * 1024
HANDLERS = {
    name: f"tests.workers.handlers:{name}"
    for name, value in vars(handlers).items()
    if callable(value) and value.__module__ == handlers.__name__
}


@asynccontextmanager
async def running_pool(size: int = 1, **settings: object) -> AsyncIterator[WorkerPool]:
    """A pool with its children started; it is closed at the end of the block."""
    pool = WorkerPool(size=size, handlers=HANDLERS, **settings)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.aclose()


async def run(
    pool,
    handler,
    data=b"x",
    *,
    timeout_s=5.0,
    within_s=10.0,
    deadline=None,
    fairness_key=(),
    **args,
):
    """Run one job with `args` as its arguments."""
    return await pool.run(
        handler,
        data,
        args,
        timeout_s=timeout_s,
        deadline=deadline or Deadline.after(within_s),
        fairness_key=fairness_key,
    )


async def kill_child_at_work(pool: WorkerPool, *, other_than: int = 0) -> int:
    """Kill the only child that is busy, once its job has reserved memory; returns its pid."""
    async with asyncio.timeout(60):
        while True:
            busy = [
                child.process.pid
                for child in pool._children
                if child.state is ChildState.BUSY and child.process.pid != other_than
            ]
            if busy and pool._config.memory.used:
                (pid,) = busy
                os.kill(pid, signal.SIGKILL)
                return pid
            await asyncio.sleep(0.005)


def express_pid(pool: WorkerPool) -> int:
    """The process id of the express child."""
    (pid,) = {child.process.pid for child in pool._children if child.process.is_express}
    return pid


def open_files() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


def is_gone(pid: int) -> bool:
    """Whether the process has ended and has been waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
