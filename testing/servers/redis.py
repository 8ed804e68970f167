"""A Redis of the test's own on a free loopback port, which the test may pause, stop and restart."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from testing.servers.need import need

_START_S = 10.0
_TRIES = 3
"""Another process may take the free port before Redis does."""


class RedisServer:
    """One redis-server process that keeps nothing on disk."""

    def __init__(self, program: str, folder: str) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """What a `redis://` setting takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, on the port it had before where it had one, and wait until it answers."""
        for left in reversed(range(_TRIES)):
            port = self.port or _free_port()
            command = [self._program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                       "--appendonly", "no", "--dir", self._folder]  # fmt: skip
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            if self._answers(port):
                self.port = port
                return
            self.stop()
            if not left:
                pytest.fail(f"redis-server did not answer within {_START_S:.0f} seconds")

    def pause(self) -> None:
        """Connections stay open and nothing is answered any more."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again, also what was asked during the pause."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Gone at once: connections are closed, the port refuses."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "this Redis is stopped"
        self._process.send_signal(number)

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._process.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 1) as s,
            ):
                s.sendall(b"PING\r\n")
                if s.recv(16).startswith(b"+PONG"):
                    return True
            time.sleep(0.01)
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that answers, for this test alone."""
    program = need("redis-server", "redis-server", "redis")
    server = RedisServer(program, str(tmp_path_factory.mktemp("redis")))
    server.start()
    yield server
    server.stop()
