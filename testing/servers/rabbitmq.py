"""Queues on RabbitMQ: on the broker of this machine, else on one that the tests start."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue

from testing.ports import free_port
from testing.requirements import require_program

_DEFAULT_PORT = 5672
_START_TIMEOUT_S = 90.0
# Debian's program in PATH changes to a user of its own and to that user's folders.
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"


@dataclass(frozen=True, slots=True)
class RabbitQueue:
    """A queue of one test."""

    url: str
    name: str


@pytest.fixture(scope="session")
def rabbitmq_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a RabbitMQ that accepts the user guest."""
    if _responds(_DEFAULT_PORT):
        yield _DEFAULT_PORT
        return
    program = _PROGRAM if Path(_PROGRAM).exists() else None
    program = program or require_program("rabbitmq-server", "rabbitmq-server", "rabbitmq")
    folder = tmp_path_factory.mktemp("rabbitmq")
    port = free_port()
    # Replaces the system's configuration, which may name another port.
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{port}\n")
    process = subprocess.Popen(
        [program],
        env={
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end_s = time.monotonic() + _START_TIMEOUT_S
        while not _responds(port):
            assert process.poll() is None, "RabbitMQ ended before it responded"
            assert time.monotonic() < end_s, "RabbitMQ did not start"
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(_START_TIMEOUT_S)


@pytest.fixture
def rabbit_queue(rabbitmq_port: int) -> Iterator[RabbitQueue]:
    """A queue name of one test; the queue and its exchange are deleted at the end."""
    queue = RabbitQueue(_url(rabbitmq_port), f"test-{os.urandom(6).hex()}")
    yield queue
    with Connection(queue.url) as connection:
        Queue(queue.name, channel=connection.default_channel).delete()
        Exchange(queue.name, channel=connection.default_channel).delete()


def _url(port: int) -> str:
    return f"amqp://guest:guest@127.0.0.1:{port}//"


def _responds(port: int) -> bool:
    with contextlib.suppress(OSError), Connection(_url(port), connect_timeout=2) as connection:
        connection.connect()
        return True
    return False
