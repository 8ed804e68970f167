"""A few warm child processes, and the line in front of them.

Callers take turns (line.py). A child that dies, hangs or is told to stop takes its own
job with it and no other; another is started in its place while the rest work on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any

from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.workers.errors import ChildDied, ChildTimeout, NotExpress, PoolBusy
from app.workers.fair_queue import FairnessKey, FairQueue
from app.workers.handler import JsonValue
from app.workers.process import ChildProcess, Job, Result
from app.workers.spawn import ChildConfig

logger = logging.getLogger(__name__)

_GRACE_S = 0.25
# A job whose caller has gone may still end by itself in this time: most do, and a child that is
# killed costs a start of 200 ms of processor time, which a caller must not get for nothing.

MEMORY_BYTES = 464 * 1024 * 1024
"""For all children of a server together, beside what each may take without asking: a progressive
JPEG of 100 megapixels, a HEIC of 48, a PNG of any size. With the server's own 160 MB, 200 MB of
downloads and bodies, and 60 MB for each child the process tree stays under 1 GiB
(benchmarks.memory)."""

EXPRESS_BYTES = 1024 * 1024
"""Of a job that the express child takes: most web pictures. It gives back what asks for memory, so
that a few costly pictures in the other children do not hold up everyone's cheap ones."""
_BACKOFF_S, _BACKOFF_MAX_S = 0.1, 5.0


class ChildPool:
    """`size` children that run `handlers` (name: "module:function", see `job.py`).

    `memory` (bytes, by default MEMORY_BYTES) is shared by all jobs: what one asks for beyond a
    small free allowance is taken from it, and a job that finds too little waits, first in, first
    out. A job that asks for more than all of it is refused with the code `memory`.
    """

    def __init__(
        self,
        *,
        size: int,
        handlers: Mapping[str, str],
        memory: WeightedSemaphore | None = None,
        input_max_bytes: int = 67_108_864,
        max_jobs_per_child: int = 2_000,
    ) -> None:
        self._size = size
        self._plan = ChildConfig(
            dict(handlers),
            input_max_bytes,
            memory or WeightedSemaphore(MEMORY_BYTES),
            BandwidthLimiter(input_max_bytes),
        )
        self._max_jobs_per_child = max_jobs_per_child
        self._children: set[ChildProcess] = set()
        self._relieved: dict[ChildProcess, bool] = {}
        """Children that have done their share: whether the one in their place is there."""
        self._dying: set[ChildProcess] = set()
        self._idle: deque[ChildProcess] = deque()
        self._line: FairQueue[ChildProcess] = FairQueue()
        self._turns: dict[ChildProcess, FairnessKey] = {}
        """Whose job each child does, or has just done."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._open = False
        self.lost = 0
        """Children that died, hung or were told to stop, since the start."""

    @property
    def input_max_bytes(self) -> int:
        """The most that one job may be given."""
        return self._plan.input_max_bytes

    @property
    def waiting(self) -> int:
        """How many jobs stand in line."""
        return len(self._line)

    def pids(self) -> list[int]:
        """The process ids of the children, for whoever measures or kills them."""
        return [child.pid for child in self._children]

    def is_ready(self) -> bool:
        """Whether at least one child lives; it may be busy."""
        return self._open and bool(self._children)

    async def start(self) -> None:
        """Start every child and wait until they are warm.

        Raises ChildDied where not one can start: then something is wrong with the installation.
        """
        self._open = True
        first = [self._soon(self._add(express=lane)) for lane in self._lanes()]
        try:
            outcomes = await asyncio.gather(*first, return_exceptions=True)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        failures = [one for one in outcomes if isinstance(one, BaseException)]
        if len(failures) == self._size:
            await self.aclose()
            raise failures[0]
        for lane, outcome in zip(self._lanes(), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._soon(self._grow(express=lane))

    def _lanes(self) -> list[bool]:
        """For each child, whether it is the express one: the first, unless it is alone."""
        return [self._size > 1 and number == 0 for number in range(self._size)]

    async def aclose(self) -> None:
        """End every child and every job; whoever waits gets PoolBusy."""
        self._open = False
        self._line.close(PoolBusy("closing"))
        self._idle.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        last = self._children | self._dying
        self._children, self._dying = set(), set()
        await asyncio.gather(*(child.aclose() for child in last))

    async def run(
        self,
        handler: str,
        data: bytes | memoryview,
        args: Mapping[str, JsonValue],
        *,
        timeout_s: float,
        deadline: Deadline,
        turn: FairnessKey = (),
    ) -> tuple[dict[str, JsonValue], bytes]:
        """Run one job in a child: its facts and its bytes.

        `timeout_s` bounds the work alone, `deadline` everything, the wait for a child and for
        memory included. `turn` says whose job it is. Raises JobRefused (the handler's no),
        ChildTimeout, ChildDied, PoolBusy.
        """
        if len(data) > self._plan.input_max_bytes:
            raise ValueError("more data than input_max_bytes")
        job = Job(handler, data, args, timeout_s, deadline)
        may_express = len(data) <= EXPRESS_BYTES
        child = await self._next_child(deadline, turn, may_express=may_express)
        try:
            return await self._run_in(child, job)
        except NotExpress:
            child = await self._next_child(deadline, turn, may_express=False)
            return await self._run_in(child, job)

    async def _run_in(self, child: ChildProcess, job: Job) -> Result:
        work = self._soon(self._work(child, job))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(_GRACE_S, work.cancel)
            raise
        finally:
            # Else task, error, traceback and this frame hold each other, and all of them the input.
            del work

    async def _work(self, child: ChildProcess, job: Job) -> Result:
        try:
            return await child.work(job)
        except (ChildTimeout, ChildDied) as error:
            logger.warning(
                "child.lost",
                extra={"why": type(error).__name__, "reason": str(error), "handler": job.handler},
            )
            raise
        finally:
            self._welcome_back(child)

    async def _next_child(
        self, deadline: Deadline, turn: FairnessKey, *, may_express: bool
    ) -> ChildProcess:
        if not self._open or not deadline.left_s():
            raise PoolBusy("closed" if not self._open else "the deadline had passed")
        while (child := self._first_idle(may_express)) is not None:
            if child.is_alive():
                self._turns[child] = turn
                return child
            self._bury(child)  # somebody else killed it while it was idle
        future = self._line.join(may_express=may_express, turn=turn)
        try:
            async with deadline.timeout():
                return await future
        except (asyncio.CancelledError, TimeoutError) as error:
            if future.done() and not future.cancelled() and not future.exception():
                self._hand_over(future.result())  # given in the same tick: the next one's then
            if isinstance(error, TimeoutError):
                raise PoolBusy("no child was free before the deadline") from error
            raise

    def _first_idle(self, may_express: bool) -> ChildProcess | None:
        """An idle child; the express one where it may do the job.

        The others weigh too little to be given a core at once where all are busy.
        """
        fit = [child for child in self._idle if may_express or not child.is_express]
        chosen = min(fit, key=lambda child: not child.is_express, default=None)
        if chosen is not None:
            self._idle.remove(chosen)
        return chosen

    def _hand_over(self, child: ChildProcess) -> None:
        called = self._line.call(is_express=child.is_express, in_work=self._turns.values())
        if called is None:
            self._turns.pop(child, None)
            self._idle.append(child)
        else:
            self._turns[child] = called.turn
            called.future.set_result(child)

    def _welcome_back(self, child: ChildProcess) -> None:
        if not child.is_alive():
            self._bury(child)
            return
        if self._relieved.get(child):
            self._dismiss(child)
            return
        done = child.jobs >= self._max_jobs_per_child or child.has_swollen
        if done and child not in self._relieved and self._open:
            self._relieved[child] = False
            self._soon(self._relieve(child))
        self._hand_over(child)

    def _bury(self, child: ChildProcess) -> None:
        """Let go of a dead child and start another, unless that is on its way already."""
        self.lost += 1
        if child not in self._relieved and self._open:
            self._soon(self._grow(express=child.is_express))
        self._dismiss(child)

    def _dismiss(self, child: ChildProcess) -> None:
        self._children.discard(child)
        self._turns.pop(child, None)
        self._relieved.pop(child, None)
        self._dying.add(child)
        if self._open:  # else `aclose` sees to it
            self._soon(self._end(child))

    async def _end(self, child: ChildProcess) -> None:
        await child.aclose()
        self._dying.discard(child)

    async def _add(self, *, express: bool) -> None:
        child = await ChildProcess.start(self._plan, express=express)
        self._children.add(child)
        self._hand_over(child)

    async def _grow(self, *, express: bool) -> None:
        """Start one child, however long that takes."""
        pause_s = _BACKOFF_S
        while self._open:
            try:
                await self._add(express=express)
            except (ChildDied, OSError) as error:
                logger.error("child.start_failed", extra={"reason": str(error)})  # noqa: TRY400
                await asyncio.sleep(pause_s)
                pause_s = min(_BACKOFF_MAX_S, pause_s * 2)
            else:
                return

    async def _relieve(self, old: ChildProcess) -> None:
        """Put a fresh child in the place of one that has done its share; that goes when idle."""
        await self._grow(express=old.is_express)
        if old in self._idle:
            self._idle.remove(old)
            self._dismiss(old)
        elif old in self._relieved:
            self._relieved[old] = True

    def _soon(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; where nobody waits any more, nobody minds
