"""Paced work: long calls in C, with rests for everybody else between them.

While a call such as `json.loads` reads a megabyte, no other thread of the process runs. Several of
them one after the other delay each step of every request by a whole call; with rests between them
most steps meet none.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

REST_FACTOR = 3.0
"""A rest takes this many times the processor time of the call before it: such work gets a quarter
of the time at most."""

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class PacedWork:
    """Does one piece of work at a time, in order of arrival, with a rest before the next one."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        work_clock: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` is in seconds, and so is `work_clock`, the processor time of a thread."""
        self._clock = clock
        self._work_clock = work_clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._rests_until_s = 0.0

    async def run(
        self,
        work: Callable[_Parameters, _Result],
        *args: _Parameters.args,
        **kw: _Parameters.kwargs,
    ) -> _Result:
        """The result of `work`, done on the event loop; what it raises is raised here."""
        async with self._turn():
            return self._measure(lambda: work(*args, **kw))

    async def run_in_thread(
        self,
        work: Callable[_Parameters, _Result],
        *args: _Parameters.args,
        **kw: _Parameters.kwargs,
    ) -> _Result:
        """The result of `work`, done in a thread; what it raises is raised here."""
        async with self._turn():
            return await asyncio.to_thread(self._measure, lambda: work(*args, **kw))

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._lock:
            rest_s = self._rests_until_s - self._clock()
            if rest_s > 0:
                await self._sleep(rest_s)
            yield

    def _measure(self, work: Callable[[], _Result]) -> _Result:
        began_s = self._work_clock()
        try:
            return work()
        finally:
            used_s = self._work_clock() - began_s
            self._rests_until_s = self._clock() + REST_FACTOR * used_s
