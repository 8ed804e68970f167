"""Fair queue: which job runs next when there are fewer child processes than jobs.

With first come, first served, one caller with many expensive images would make everybody else wait
behind all of them. Here the job goes first whose caller has the fewest jobs in work, and among
those the caller served longest ago; then the same by the host that the caller's images come from.
Equal jobs, such as those of a single caller with images of one host, run in order of arrival.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

FairnessKey = tuple[str, ...]
"""Who a job is for, from the widest to the narrowest: caller, then host. Jobs with the empty key
run first: the server uses it to finish requests that are already in work."""

_Child = TypeVar("_Child")


@dataclass(frozen=True, slots=True, eq=False)
class QueuedJob(Generic[_Child]):
    """A job that waits for a child process. The future is resolved with the child."""

    future: asyncio.Future[_Child]
    may_express: bool
    """Whether the express child may run it."""
    fairness_key: FairnessKey


class FairQueue(Generic[_Child]):
    """Jobs that wait for a child process, in order of arrival."""

    def __init__(self) -> None:
        self._jobs: list[QueuedJob[_Child]] = []
        self._served = 0
        self._last_served: dict[FairnessKey, int] = {}
        """When each key that is waiting or in work was last served, counted in jobs served."""

    def __len__(self) -> int:
        return sum(not job.future.done() for job in self._jobs)

    def enqueue(self, *, may_express: bool, fairness_key: FairnessKey) -> asyncio.Future[_Child]:
        """Add a job. Cancelling the future removes it."""
        future: asyncio.Future[_Child] = asyncio.get_running_loop().create_future()
        self._jobs.append(QueuedJob(future, may_express, fairness_key))
        return future

    def dequeue(
        self,
        *,
        is_express: bool,
        in_work: Iterable[FairnessKey],
        not_express: Collection[FairnessKey] = (),
    ) -> QueuedJob[_Child] | None:
        """Remove and return the next job for a free child; None where no job fits that child.

        `in_work` holds the fairness keys of the jobs in work, and of the job that this child has
        just finished; `not_express` the callers who have no part in the express child now.
        """
        self._jobs = [job for job in self._jobs if not job.future.done()]
        in_work_count = Counter(prefix for key in in_work for prefix in _prefixes(key))
        current = in_work_count.keys() | {
            prefix for job in self._jobs for prefix in _prefixes(job.fairness_key)
        }
        self._last_served = {
            key: served for key, served in self._last_served.items() if key in current
        }

        def rank(job: QueuedJob[_Child]) -> list[tuple[int, int]]:
            return [
                (in_work_count[prefix], self._last_served.get(prefix, 0))
                for prefix in _prefixes(job.fairness_key)
            ]

        fitting = (
            job
            for job in self._jobs
            if not is_express or (job.may_express and job.fairness_key[:1] not in not_express)
        )
        chosen = min(fitting, key=rank, default=None)  # the earliest of equals
        if chosen is not None:
            self._jobs.remove(chosen)
            self._served += 1
            self._last_served |= dict.fromkeys(_prefixes(chosen.fairness_key), self._served)
        return chosen

    def count_by_caller(self) -> Counter[FairnessKey]:
        """How many jobs of each caller wait, by the first part of the fairness key."""
        return Counter(job.fairness_key[:1] for job in self._jobs if not job.future.done())

    def count_before(self, fairness_key: FairnessKey) -> int:
        """How many of the waiting jobs run before one that arrives now under this key.

        Callers take turns: as many of each other caller's as of its own, and its own.
        """
        waiting = self.count_by_caller()
        own = waiting.pop(fairness_key[:1], 0)
        return own + sum(min(count, own + 1) for count in waiting.values())

    def exclude_from_express(self, fairness_key: FairnessKey) -> None:
        """Keep the waiting jobs of this key's caller away from the express child."""
        caller = fairness_key[:1]
        self._jobs = [
            replace(job, may_express=False) if caller and job.fairness_key[:1] == caller else job
            for job in self._jobs
        ]

    def close(self, error: Exception) -> None:
        """Fail every waiting job with `error`."""
        for job in self._jobs:
            if not job.future.done():
                job.future.set_exception(error)
        self._jobs.clear()


def _prefixes(key: FairnessKey) -> list[FairnessKey]:
    """`("anna", "a.example")` counts for `("anna",)` and for `("anna", "a.example")`."""
    return [key[: end + 1] for end in range(len(key))]
