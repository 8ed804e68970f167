"""Rules of the express child: how long a job may take there, and which callers may use it.

A job runs there because it is foreseen to be cheap, by its bytes and its header. A file of a kind
that nobody thought of may cost a hundred times more. So the processor time of each job is watched,
and a job that outgrows its price is moved to an ordinary child.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping

from app.workers.child import INTERRUPT_SIGNAL
from app.workers.cpu import processor_time_s
from app.workers.fair_queue import FairnessKey

INTERRUPT_AFTER_S = 0.1
"""Processor time after which a job is interrupted: over three times the longest foreseen work
(EXPRESS_MAX_WORK_MS). The child survives where the job runs Python code."""

KILL_AFTER_S = 0.15
"""Processor time after which the child is killed, because its job runs in a decoder that cannot be
interrupted."""

_MIN_PAUSE_S = 0.005

PRESENT_S = 10.0
"""A caller counts as present for this long after its last job."""

_FEW_JOBS = 2
"""With this many jobs more than another caller, one still counts as sending little."""

BAN_S = 10.0
"""How long a caller has no part in the express child after a job that outgrew it. So one caller
costs the others an interrupted job, or the start of a child, once in this time."""


class OverrunWatch:
    """Interrupts the job of child process `pid` when it takes too long, and then calls `kill`.

    Only processor time counts, so that a busy machine makes no job look expensive. Where the system
    does not tell the processor time of another process (it is not Linux), it does nothing.
    """

    def __init__(self, pid: int, kill: Callable[[], None]) -> None:
        self._pid = pid
        self._kill = kill
        self._began_s = processor_time_s(pid)
        self._is_interrupted = False
        self.has_killed = False
        """Whether it has killed the child."""
        self._timer: asyncio.TimerHandle | None = None
        if self._began_s is not None:
            self._check_in(INTERRUPT_AFTER_S)

    def stop(self) -> None:
        """End the watch: the job has ended, or runs elsewhere."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(_MIN_PAUSE_S, seconds), self._check)

    def _check(self) -> None:
        now_s = processor_time_s(self._pid)
        if now_s is None or self._began_s is None:  # the process has just ended
            return
        used_s = now_s - self._began_s
        if used_s >= KILL_AFTER_S:
            self.has_killed = True
            self._kill()
            return
        if used_s >= INTERRUPT_AFTER_S and not self._is_interrupted:
            self._is_interrupted = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, INTERRUPT_SIGNAL)
        limit_s = KILL_AFTER_S if self._is_interrupted else INTERRUPT_AFTER_S
        self._check_in(limit_s - used_s)


class ExpressAccess:
    """Which callers may use the express child.

    Not those whose job has just outgrown it. And while several callers are present, not those who
    have a job in another child and over two jobs more than somebody else: they keep the cores busy
    with the ordinary children, and in the express child, which precedes those, they would delay the
    callers who send little.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._banned_until_s: dict[FairnessKey, float] = {}
        self._last_seen_s: dict[FairnessKey, float] = {}
        """The callers that are present, the one seen longest ago first."""

    def see(self, key: FairnessKey) -> None:
        """Note a job of this fairness key's caller. The server's own jobs have no caller."""
        now_s = self._clock()
        if key:
            self._last_seen_s.pop(key[:1], None)
            self._last_seen_s[key[:1]] = now_s
        self._forget_absent(now_s)

    def is_shared(self) -> bool:
        """Whether several callers are present."""
        self._forget_absent(self._clock())
        return len(self._last_seen_s) > 1

    def choose_excluded(
        self, elsewhere: Iterable[FairnessKey], jobs: Mapping[FairnessKey, int]
    ) -> frozenset[FairnessKey]:
        """The callers whose jobs must wait for an ordinary child now.

        `elsewhere` are the fairness keys of the jobs in the other children; `jobs` has the number
        of jobs of each caller, there and waiting.
        """
        if not self.is_shared():
            return frozenset()
        fewest = min(jobs.get(caller, 0) for caller in self._last_seen_s)
        return frozenset(
            key[:1] for key in elsewhere if key and jobs.get(key[:1], 0) > fewest + _FEW_JOBS
        )

    def _forget_absent(self, now_s: float) -> None:
        while self._last_seen_s:
            caller, seen_s = next(iter(self._last_seen_s.items()))
            if seen_s + PRESENT_S > now_s:
                return
            del self._last_seen_s[caller]

    def is_open_to(self, key: FairnessKey) -> bool:
        """Whether jobs of this fairness key's caller may run in the express child."""
        return self._banned_until_s.get(key[:1], 0.0) <= self._clock()

    def ban(self, key: FairnessKey) -> None:
        """Close the express child to a caller for BAN_S. The server's own jobs have no caller."""
        now_s = self._clock()
        self._banned_until_s = {
            caller: until_s for caller, until_s in self._banned_until_s.items() if until_s > now_s
        }
        if key:
            self._banned_until_s[key[:1]] = now_s + BAN_S
