"""The one task: what a worker runs for each message."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from celery import Celery
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from altwright.backfill.queue.app import QUEUE, TASK, producer
from altwright.backfill.queue.worker import RETRY_LATER_S
from altwright.errors import UsageError

if TYPE_CHECKING:
    from celery import Task

    from altwright.backfill.queue.worker import RowWorkers

_LONGEST_S = 300.0
"""A message that waits is held by a worker: brokers give back what is held for too long."""
_logger = logging.getLogger("altwright.worker")


def create_consumer(broker_url: str, works: RowWorkers, queue: str = QUEUE) -> Celery:
    """What a worker runs."""
    app = producer(broker_url, queue)

    @app.task(name=TASK, bind=True)
    def caption_row(task: Task[..., None], run: str, key: str) -> None:
        again_s = _tried(works, run, key)
        if again_s is not None:
            wait_s = min(again_s, _LONGEST_S) * random.uniform(1.0, 1.2)  # noqa: S311 - no secret
            raise task.retry(countdown=wait_s, max_retries=None)

    return app


def _tried(works: RowWorkers, run: str, key: str) -> float | None:
    try:
        return works.of(run).caption(key)
    except UsageError as error:
        # Nothing is lost: the row is blank in its table, and the next run puts it here again.
        _logger.warning("row %r of %r is left: %s", key, run, error)
        return None
    except (DBAPIError, PoolTimeout) as error:
        said = getattr(error, "orig", None) or error
        _logger.warning("row %r of %r waits for the database: %s", key, run, said)
        return RETRY_LATER_S
