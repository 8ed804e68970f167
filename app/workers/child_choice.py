"""Which child process runs which job: the states of children, and the choice among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from app.workers.express import ExpressAccess
from app.workers.fair_queue import FairnessKey, FairQueue
from app.workers.process import ChildProcess


class ChildState(Enum):
    """What a child process of the pool is doing."""

    IDLE = auto()
    """It waits for a job."""
    BUSY = auto()
    """It runs a job, and is free for the next one afterwards."""
    LAST_JOB = auto()
    """It runs a job and is stopped afterwards, because its replacement has started."""
    STOPPING = auto()
    """It is dead, or is being killed: it counts as a child no more."""


AT_WORK = (ChildState.BUSY, ChildState.LAST_JOB)


@dataclass(slots=True, eq=False)
class Child:
    """A child process, its state, and whose job it runs."""

    process: ChildProcess
    state: ChildState = ChildState.IDLE
    fairness_key: FairnessKey = ()
    has_replacement: bool = False
    """Whether another child is being started, or has been, to replace it."""


class ChildChoice:
    """Chooses among the children of a pool, by what they run, what waits, and for whom."""

    def __init__(
        self, children: Sequence[Child], queue: FairQueue[Child], access: ExpressAccess
    ) -> None:
        """All three are the pool's own, and change with it."""
        self._children = children
        self._queue = queue
        self._access = access

    def choose_idle(self, fairness_key: FairnessKey, *, may_express: bool) -> Child | None:
        """An idle child; the express child where the job may run there.

        The others have too little weight to get a core at once while all cores are busy.
        """
        fitting = [
            child
            for child in self._children
            if child.state is ChildState.IDLE
            and (
                not child.process.is_express
                or (may_express and fairness_key[:1] not in self.excluded_from_express(child))
            )
        ]
        return min(fitting, key=lambda child: not child.process.is_express, default=None)

    def excluded_from_express(self, express: Child) -> frozenset[FairnessKey]:
        """The callers who have no part in the express child, because they keep others busy."""
        elsewhere = [
            child.fairness_key
            for child in self._children
            if child.state in AT_WORK and child is not express
        ]
        jobs = self._queue.count_by_caller()
        jobs.update(key[:1] for key in elsewhere)
        return self._access.choose_excluded(elsewhere, jobs)

    def waits_for_express(self, fairness_key: FairnessKey, *, may_express: bool) -> bool:
        """Whether a job waits for the express child although another one is idle.

        Where several callers share the cores, an ordinary child may take three times as long. So
        the second job of a caller waits for its first one there, and the third does not.
        """
        if not (may_express and self._access.is_shared()):
            return False
        caller = fairness_key[:1]
        own = [c for c in self._children if c.state in AT_WORK and c.fairness_key[:1] == caller]
        return (
            len(own) == 1
            and own[0].process.is_express
            and not self._queue.count_by_caller()[caller]
        )
