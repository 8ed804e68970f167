"""How to put a row on the queue; an upload hook needs this module and celery alone."""

from __future__ import annotations

from celery import Celery

TASK = "altwright.caption_row"
"""The task's name; its arguments are the run's name and the row's key, both text."""
QUEUE = "altwright"
"""The queue's name, where no other is named."""
_VISIBLE_S = 1_800
"""Redis gives a message that nobody acknowledged to somebody else after so long; longer than any
row keeps a worker. RabbitMQ sees that a worker is gone, and does so at once."""


def producer(broker_url: str, queue: str = QUEUE) -> Celery:
    """To put rows on the queue; knows no database and no server."""
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
        broker_transport_options=_transport(broker_url),
    )
    return app


def enqueue(app: Celery, run: str, key: str) -> None:
    """Put one row on the queue: what an upload hook calls, with `producer(broker_url)`."""
    app.send_task(TASK, [run, key])


def _transport(broker_url: str) -> dict[str, object]:
    if broker_url.startswith(("redis", "sentinel")):
        return {"visibility_timeout": _VISIBLE_S, "unacked_mutex_expire": 30}
    return {"confirm_publish": True}
