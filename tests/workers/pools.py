"""A pool whose children do the jobs of `handlers.py`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.runtime.deadline import Deadline
from app.workers.pool import ChildPool
from tests.workers import handlers

MB = 1024 * 1024
HANDLERS = {
    name: f"tests.workers.handlers:{name}"
    for name, thing in vars(handlers).items()
    if callable(thing) and thing.__module__ == handlers.__name__
}


@asynccontextmanager
async def children(size: int = 1, **settings: object) -> AsyncIterator[ChildPool]:
    pool = ChildPool(size=size, handlers=HANDLERS, **settings)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.aclose()


async def run(pool, handler, data=b"x", *, timeout_s=5.0, within_s=10.0, turn=(), **args):
    return await pool.run(
        handler, data, args, timeout_s=timeout_s, deadline=Deadline.after(within_s), turn=turn
    )


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
