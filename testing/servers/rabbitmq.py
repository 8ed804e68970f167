"""A queue of the test's own on the RabbitMQ that answers on loopback, or on one of our own."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kombu import Connection

from testing.servers.need import need

_USUAL_PORT = 5672
_START_S = 60.0
# Debian's program in the path changes to a user of its own, and to that user's folders.
_PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"


@dataclass(frozen=True, slots=True)
class RabbitQueue:
    """Where it is, and what it is called."""

    url: str
    name: str


@pytest.fixture(scope="session")
def rabbitmq_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a RabbitMQ answers to guest: the usual port, else one of our own."""
    if _answers(_USUAL_PORT):
        yield _USUAL_PORT
        return
    program = _PROGRAM if Path(_PROGRAM).exists() else None
    program = program or need("rabbitmq-server", "rabbitmq-server", "rabbitmq")
    folder = tmp_path_factory.mktemp("rabbitmq")
    port = _free_port()
    # Instead of the system's own, which may name another port.
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{port}\n")
    process = subprocess.Popen(
        [program],
        env={
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(_free_port()),
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
        until = time.monotonic() + _START_S
        while not _answers(port):
            assert process.poll() is None, "RabbitMQ ended before it answered"
            assert time.monotonic() < until, "RabbitMQ did not start"
            time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(_START_S)


@pytest.fixture
def rabbit_queue(rabbitmq_port: int) -> Iterator[RabbitQueue]:
    """Taken away with whatever is left in it at the end."""
    name = f"test-{os.urandom(6).hex()}"
    queue = RabbitQueue(f"amqp://guest:guest@127.0.0.1:{rabbitmq_port}//", name)
    yield queue
    with Connection(queue.url) as connection:
        channel = connection.default_channel
        channel.queue_delete(queue.name)
        channel.exchange_delete(queue.name)


def _answers(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        Connection(f"amqp://guest:guest@127.0.0.1:{port}//", connect_timeout=2) as connection,
    ):
        connection.connect()
        return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
