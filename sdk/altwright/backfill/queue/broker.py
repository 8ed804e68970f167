"""The broker of a queue: its address, and what its errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kombu.exceptions import OperationalError

from altwright.errors import UsageError

if TYPE_CHECKING:
    from celery import Celery

_SCHEMES = ("redis", "rediss", "sentinel", "amqp", "amqps", "pyamqp")
_TIMEOUT_S = 10.0
"""A broker that accepts connections and does not respond is given up after this time."""


class BrokerUnavailable(Exception):
    """The broker does not respond, or refuses. It may be back later."""


def check_broker_url(url: str) -> None:
    """Raise UsageError unless it is the URL of a broker that can be used."""
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in _SCHEMES:
        raise UsageError("--broker is redis://host:6379/0 or amqp://user@host//.")


def broker_address(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def check_broker(app: Celery, url: str) -> None:
    """Connect once. Raises UsageError with one line."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=int(_TIMEOUT_S))
    except (OperationalError, OSError) as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"The broker {broker_address(url)} does not respond: {detail}. Nothing was queued."
        ) from None


def limit_waits(app: Celery, url: str) -> None:
    """Give up on a broker that hangs. For a feeder only: a worker waits for messages."""
    is_redis = url.startswith(("redis", "sentinel"))
    options = (
        {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
        if is_redis
        else {"read_timeout": int(_TIMEOUT_S), "write_timeout": int(_TIMEOUT_S)}
    )
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **options}
    app.conf.task_publish_retry_policy = {"max_retries": 1, "interval_start": 0.2}


def send(app: Celery, task: str, arguments: list[str]) -> None:
    """Send one message. Raises BrokerUnavailable."""
    try:
        app.send_task(task, arguments)
    except Exception as error:
        # Celery wraps most errors of the libraries of its brokers, and not all of them.
        library = type(error).__module__.partition(".")[0]
        if not isinstance(error, OSError) and library not in ("kombu", "amqp", "redis", "celery"):
            raise
        detail = " ".join(str(error).split())[:300]
        raise BrokerUnavailable(detail or type(error).__name__) from error
