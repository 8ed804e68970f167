"""Worker pool: a few warm child processes, and the fair queue of jobs that wait for one.

A child that hangs or fails costs its own job and no other. Another child is started in its place
while the rest go on working. A child that dies may have been killed from outside, by an operator or
because the machine ran out of memory; so its job is tried once more in another child.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any

from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.workers.child_choice import AT_WORK, Child, ChildChoice, ChildState
from app.workers.errors import (
    ChildDied,
    ChildTimeout,
    NotForExpressChild,
    NoTimeToRetry,
    OutgrewExpressChild,
    PoolBusy,
)
from app.workers.express import ExpressAccess
from app.workers.fair_queue import FairnessKey, FairQueue
from app.workers.handler import JsonValue
from app.workers.process import ChildProcess, Job, JobResult
from app.workers.spawn import ChildConfig

_logger = logging.getLogger(__name__)

POOL_MEMORY_BYTES = 464 * 1024 * 1024
"""Memory that all jobs of a server process together may reserve: enough for a progressive JPEG of
100 megapixels, a HEIC of 48, a PNG of any size.

A child holds 48 MB (PSS) when idle, and up to 60 after large images. With three of them, the
server's own 160 MB, and 200 MB of downloads and bodies, the process tree stays under 1 GiB
(benchmarks.memory, on two cores)."""

EXPRESS_MAX_INPUT_BYTES = 1024 * 1024
"""Largest input of the express child, which takes most images on the web. It gives back jobs that
need much memory or time, so that expensive jobs in the other children do not delay all cheap ones.
"""

_OVERRUN_S = 0.25
# A job that nobody waits for any more may still end by itself in this time, and most do. Killing
# the child would cost 200 ms of processor time for a new one, and a caller could cause that for
# nothing.

_RESTART_PAUSE_S, _RESTART_PAUSE_MAX_S = 0.1, 5.0


class WorkerPool:
    """`size` child processes that run `handlers` (name: "module:function", see handler.py).

    All jobs share `memory` (by default POOL_MEMORY_BYTES): what a job reserves beyond the base
    memory of a child is taken from it, and waits there in order of arrival. A job that asks for
    more than all of it is refused with the code `memory`.
    """

    def __init__(
        self,
        *,
        size: int,
        handlers: Mapping[str, str],
        memory: WeightedSemaphore | None = None,
        input_max_bytes: int = 67_108_864,
        max_jobs_per_child: int = 2_000,
        overrun_s: float = _OVERRUN_S,
    ) -> None:
        """`overrun_s`: how long a job may run on when nobody waits for it any more, because its
        deadline has passed or its caller has gone. Then its child is killed. Where a child takes
        seconds to start it must be long: killed at each deadline, it would never end a job.
        """
        self._size = size
        self._overrun_s = overrun_s
        self._config = ChildConfig(
            dict(handlers),
            input_max_bytes,
            memory or WeightedSemaphore(POOL_MEMORY_BYTES),
            BandwidthLimiter(input_max_bytes),
        )
        self._max_jobs_per_child = max_jobs_per_child
        self._children: list[Child] = []
        """Idle ones in the order in which they became idle."""
        self._queue: FairQueue[Child] = FairQueue()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._express_access = ExpressAccess()
        self._choice = ChildChoice(self._children, self._queue, self._express_access)
        self._is_open = False
        self._has_tried_to_start = False
        self.children_lost = 0
        """Children that died, hung or were killed during a job, since the pool was made."""
        self.jobs_outgrown = 0
        """Jobs that took far more processor time than foreseen, and were moved from the express
        child, since the pool was made."""

    @property
    def input_max_bytes(self) -> int:
        """Largest input of a job."""
        return self._config.input_max_bytes

    @property
    def waiting(self) -> int:
        """How many jobs wait for a child."""
        return len(self._queue)

    def waiting_before(self, fairness_key: FairnessKey) -> int:
        """How many of the waiting jobs run before one that arrives now under this key."""
        return self._queue.count_before(fairness_key)

    def pids(self) -> list[int]:
        """Process ids of the children."""
        return [
            child.process.pid for child in self._children if child.state is not ChildState.STOPPING
        ]

    def is_ready(self) -> bool:
        """Whether there is at least one child; it may be busy."""
        return self._is_open and bool(self.pids())

    async def start(self) -> None:
        """Start all children and wait until they are warm.

        The first time they warm up with the server's own priority: nothing is served before. Where
        that failed and is tried again, the server may serve already.

        Raises ChildDied where none can start, which means that the installation is broken. Where
        only some fail, it goes on trying in the background.
        """
        self._is_open = True
        is_urgent, self._has_tried_to_start = not self._has_tried_to_start, True
        # The first child is the express child, unless it is the only one.
        is_express = [self._size > 1 and number == 0 for number in range(self._size)]
        starting = [
            self._spawn(self._start_child(is_express=flag, is_urgent=is_urgent))
            for flag in is_express
        ]
        try:
            outcomes = await asyncio.gather(*starting, return_exceptions=True)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if len(failures) == self._size:
            await self.aclose()
            raise failures[0]
        for flag, outcome in zip(is_express, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._spawn(self._start_child_with_retries(is_express=flag))

    async def aclose(self) -> None:
        """End all children and jobs. Jobs that wait for a child get PoolBusy."""
        self._is_open = False
        self._queue.close(PoolBusy("the pool is closed"))
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        children = tuple(self._children)
        self._children.clear()
        for child in children:
            child.process.kill()
        await asyncio.gather(*(child.process.aclose() for child in children))

    async def run(
        self,
        handler: str,
        data: bytes | memoryview,
        args: Mapping[str, JsonValue],
        *,
        timeout_s: float,
        deadline: Deadline,
        fairness_key: FairnessKey = (),
    ) -> JobResult:
        """Run one job in a child; returns the facts and bytes that the handler returned.

        `timeout_s` limits the work of one attempt; `deadline` limits everything, including the wait
        for a child and for memory. A job whose child ends is tried once more. For that it waits in
        the fair queue again, and never runs in the express child, which cheap jobs need. Nor does a
        job that outgrew the express child: it is run anew, and its caller has no part in the
        express child for some seconds. Raises JobRefused (by the handler), ChildTimeout, ChildDied
        (the second child of the job ended, or a child sent an invalid message), PoolBusy.
        """
        if len(data) > self._config.input_max_bytes:
            raise ValueError("more data than input_max_bytes")
        job = Job(handler, data, args, timeout_s, deadline)
        self._express_access.see(fairness_key)
        may_express = len(data) <= EXPRESS_MAX_INPUT_BYTES and self._express_access.is_open_to(
            fairness_key
        )
        try:
            return await self._attempt(job, fairness_key, may_express=may_express)
        except ChildDied as error:
            if not error.may_retry:
                raise
        try:
            return await self._attempt(replace(job, attempt=2), fairness_key, may_express=False)
        except PoolBusy as error:
            raise NoTimeToRetry(f"the job's child died; {error}") from error

    async def _attempt(
        self, job: Job, fairness_key: FairnessKey, *, may_express: bool
    ) -> JobResult:
        child = await self._acquire_child(job.deadline, fairness_key, may_express=may_express)
        try:
            return await self._run_in(child, job)
        except NotForExpressChild:
            child = await self._acquire_child(job.deadline, fairness_key, may_express=False)
            return await self._run_in(child, job)

    def _note_outgrown(self, job: Job, fairness_key: FairnessKey, *, has_killed: bool) -> None:
        self.jobs_outgrown += 1
        self._express_access.ban(fairness_key)
        self._queue.exclude_from_express(fairness_key)
        _logger.warning(
            "job.outgrew_express_child",
            extra={
                "handler": job.handler,
                "input_bytes": len(job.data),
                "child": "killed" if has_killed else "kept",
            },
        )

    async def _run_in(self, child: Child, job: Job) -> JobResult:
        end = Deadline.after(job.deadline.left_s() + self._overrun_s)
        work = self._spawn(self._work(child, replace(job, deadline=end)))
        try:
            async with job.deadline.timeout():
                return await asyncio.shield(work)
        except TimeoutError as error:
            raise PoolBusy("the deadline passed during the work") from error
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(self._overrun_s, work.cancel)
            raise
        finally:
            # Otherwise task, error, traceback and this frame form a cycle that holds the input.
            del work

    async def _work(self, child: Child, job: Job) -> JobResult:
        try:
            return await child.process.run(job)
        except OutgrewExpressChild as error:  # before the child gets the caller's next job
            self._note_outgrown(job, child.fairness_key, has_killed=error.has_killed)
            raise
        except (ChildTimeout, ChildDied) as error:
            _logger.warning(
                "child.lost",
                extra={
                    "error": type(error).__name__,
                    "reason": str(error),
                    "handler": job.handler,
                    "attempt": job.attempt,
                },
            )
            raise
        finally:
            self._release(child)

    async def _acquire_child(
        self, deadline: Deadline, fairness_key: FairnessKey, *, may_express: bool
    ) -> Child:
        if not self._is_open or not deadline.left_s():
            raise PoolBusy(
                "the deadline had passed" if self._is_open else "the pool is not running"
            )
        if not self._choice.waits_for_express(fairness_key, may_express=may_express):
            while (
                child := self._choice.choose_idle(fairness_key, may_express=may_express)
            ) is not None:
                if child.process.is_alive():
                    child.state, child.fairness_key = ChildState.BUSY, fairness_key
                    return child
                self._replace_lost(child)  # it was killed from outside while it was idle
        future = self._queue.enqueue(may_express=may_express, fairness_key=fairness_key)
        try:
            async with deadline.timeout():
                return await future
        except (asyncio.CancelledError, TimeoutError) as error:
            if future.done() and not future.cancelled() and not future.exception():
                self._release(future.result())  # assigned in the same tick
            if isinstance(error, TimeoutError):
                raise PoolBusy("no child was free before the deadline") from error
            raise

    def _release(self, child: Child) -> None:
        """Take back a child whose job has ended: give it the next job, or stop it."""
        if not child.process.is_alive():
            self._replace_lost(child)
        elif child.state is ChildState.LAST_JOB:
            self._stop(child)
        else:
            is_worn_out = (
                child.process.jobs >= self._max_jobs_per_child or child.process.is_fragmented
            )
            if is_worn_out and not child.has_replacement and self._is_open:
                child.has_replacement = True
                self._spawn(self._replace_worn_out(child))
            self._assign_job(child)

    def _assign_job(self, child: Child) -> None:
        """Give a free child the next job, or let it be idle.

        The end of its last job may have made another child the right one for a job that waits.
        """
        self._assign_next(child)
        self._assign_to_idle()

    def _assign_to_idle(self) -> None:
        if len(self._queue):
            for child in [each for each in self._children if each.state is ChildState.IDLE]:
                self._assign_next(child)

    def _assign_next(self, child: Child) -> None:
        is_express = child.process.is_express
        queued = self._queue.dequeue(
            is_express=is_express,
            in_work=[other.fairness_key for other in self._children if other.state in AT_WORK],
            not_express=self._choice.excluded_from_express(child) if is_express else (),
        )
        if queued is not None:
            child.state, child.fairness_key = ChildState.BUSY, queued.fairness_key
            queued.future.set_result(child)
        elif child.state is not ChildState.IDLE:
            child.state = ChildState.IDLE
            self._children.remove(child)
            self._children.append(child)

    def _replace_lost(self, child: Child) -> None:
        """Let go of a dead child, and start another unless its replacement is on the way."""
        self.children_lost += 1
        if not child.has_replacement and self._is_open:
            self._spawn(self._start_child_with_retries(is_express=child.process.is_express))
        self._stop(child)
        self._assign_to_idle()

    async def _replace_worn_out(self, child: Child) -> None:
        """Start a fresh child, and then stop this one as soon as it is idle."""
        await self._start_child_with_retries(is_express=child.process.is_express)
        if child.state is ChildState.IDLE:
            self._stop(child)
        elif child.state is ChildState.BUSY:
            child.state = ChildState.LAST_JOB

    def _stop(self, child: Child) -> None:
        child.state = ChildState.STOPPING
        if self._is_open:  # otherwise `aclose` ends it
            self._spawn(self._end(child))

    async def _end(self, child: Child) -> None:
        await child.process.aclose()
        self._children.remove(child)

    async def _start_child(self, *, is_express: bool, is_urgent: bool = False) -> None:
        process = await ChildProcess.start(self._config, is_express=is_express, is_urgent=is_urgent)
        child = Child(process)
        self._children.append(child)
        self._assign_job(child)

    async def _start_child_with_retries(self, *, is_express: bool) -> None:
        pause_s = _RESTART_PAUSE_S
        while self._is_open:
            try:
                await self._start_child(is_express=is_express)
            except (ChildDied, OSError) as error:
                _logger.error("child.start_failed", extra={"reason": str(error)})  # noqa: TRY400
                await asyncio.sleep(pause_s)
                pause_s = min(_RESTART_PAUSE_MAX_S, pause_s * 2)
            else:
                return

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the caller may have gone
