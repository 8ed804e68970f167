"""The Celery app of workers: the task that a worker runs for each message."""

from __future__ import annotations

import logging
import random
import sys
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import worker_shutting_down
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from altwright.backfill.database_errors import error_text, is_row_refused
from altwright.backfill.queue.app import QUEUE, TASK, producer
from altwright.backfill.queue.worker import RETRY_LATER_S
from altwright.errors import UsageError

if TYPE_CHECKING:
    from celery import Task

    from altwright.backfill.queue.worker import RunWorkers

_MAX_RETRY_S = 300.0
"""A worker holds a message that waits for its retry, and brokers redeliver one held too long."""
_logger = logging.getLogger("altwright.worker")


def create_consumer(broker_url: str, workers: RunWorkers, queue: str = QUEUE) -> Celery:
    """Create the app that a worker process runs."""
    if broker_url.startswith(("redis", "sentinel")):
        from altwright.backfill.queue.redis_acks import count_failed_acks  # needs redis

        count_failed_acks()
    app = producer(broker_url, queue)

    @app.task(name=TASK, bind=True)
    def caption_row(task: Task[Any, Any], /, *arguments: object, **others: object) -> None:
        if others or len(arguments) != 2 or not all(isinstance(each, str) for each in arguments):
            _logger.warning("message.skipped reason='it is not a run and a key'")
            return
        run, key = map(str, arguments)
        retry_after_s = _process_row(workers, run, key)
        if retry_after_s is not None:
            jitter = random.uniform(1.0, 1.2)  # noqa: S311 - not a secret
            countdown_s = min(retry_after_s, _MAX_RETRY_S) * jitter
            raise task.retry(countdown=countdown_s, max_retries=None)

    return app


def tell_how_to_stop() -> None:
    """Write a line when a worker is told to stop."""

    def tell(how: str = "", **_: object) -> None:
        sys.stderr.write(
            "altwright: the worker finishes the rows in work; what is queued waits for others or "
            "the next start. A second signal ends it at once: its rows wait for their lease.\n"
            if how.lower().startswith("warm")
            else "altwright: the worker ends at once; its rows are taken again after their lease.\n"
        )

    worker_shutting_down.connect(tell, weak=False)


def _process_row(workers: RunWorkers, run: str, key: str) -> float | None:
    try:
        return workers.for_run(run).process_row(key)
    except UsageError as error:
        # Nothing is lost: the row is blank in its table, and the next run queues it again.
        _logger.warning("row.skipped run=%r key=%r reason=%s", run, key, error)
        return None
    except (DBAPIError, PoolTimeout) as error:
        if isinstance(error, DBAPIError) and is_row_refused(error):
            # A key that the column cannot hold: the message would come back for ever.
            _logger.warning("row.skipped run=%r key=%r reason=%s", run, key, error_text(error))
            return None
        _logger.warning("row.postponed run=%r key=%r reason=%s", run, key, error_text(error))
        return RETRY_LATER_S
