"""The Celery app of producers: puts rows on the queue. An upload hook needs only this and celery.

docs/migration.md shows this module to users: its names stay.
"""

from __future__ import annotations

from celery import Celery

TASK = "altwright.caption_row"
"""Name of the task; its arguments are the run's name and the row's key, both text."""
QUEUE = "altwright"
"""Default name of the queue."""
_VISIBILITY_TIMEOUT_S = 1_800
"""Redis delivers an unacknowledged message again after this time, which is longer than a worker
takes for any row. RabbitMQ notices at once that a worker is gone."""


def producer(broker_url: str, queue: str = QUEUE) -> Celery:
    """Create an app that puts rows on the queue; it knows no database and no server."""
    app = Celery("altwright", broker=broker_url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_default_queue=queue,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options=_transport_options(broker_url),
    )
    return app


def enqueue(app: Celery, run: str, key: str) -> None:
    """Put one row on the queue. An upload hook calls it with `producer(broker_url)`."""
    app.send_task(TASK, [run, key])


def _transport_options(broker_url: str) -> dict[str, object]:
    if broker_url.startswith(("redis", "sentinel")):
        return {"visibility_timeout": _VISIBILITY_TIMEOUT_S, "unacked_mutex_expire": 30}
    return {"confirm_publish": True}
