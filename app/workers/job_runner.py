"""Job runner: the part of WorkerPool that callers of a handler need, so that tests can stand in."""

from collections.abc import Mapping
from typing import Any, Protocol

from app.runtime.deadline import Deadline
from app.workers.fair_queue import FairnessKey


class JobRunner(Protocol):
    """Runs jobs in child processes, as WorkerPool does."""

    async def run(
        self,
        handler: str,
        data: bytes,
        args: Mapping[str, Any],
        *,
        timeout_s: float,
        deadline: Deadline,
        fairness_key: FairnessKey = (),
    ) -> tuple[dict[str, Any], bytes]:
        """Facts and bytes of one job. Raises ChildDied, ChildTimeout, JobRefused or PoolBusy."""
        ...
