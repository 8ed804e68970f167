"""A Redis of one test on a free port of loopback. The test may pause, stop and restart it."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from testing.ports import free_port
from testing.requirements import require_program

_START_TIMEOUT_S = 30.0
_ATTEMPTS = 3
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
        """The `redis://` URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The `unix://` URL of its socket in the file system."""
        return f"unix://{self._folder}/redis.sock?db=0"

    def start(self) -> None:
        """Start it and wait until it responds. A restart uses the same port."""
        for _ in range(_ATTEMPTS):
            port = self.port or free_port()
            command = [self._program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                       "--appendonly", "no", "--dir", self._folder,
                       "--unixsocket", f"{self._folder}/redis.sock"]  # fmt: skip
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            if self._responds(port):
                self.port = port
                return
            self.stop()
        pytest.fail(f"redis-server did not respond within {_START_TIMEOUT_S:.0f} seconds")

    def pause(self) -> None:
        """Connections stay open and get no response."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Respond again, also to commands sent during the pause."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once: connections close, the port refuses."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "this Redis is stopped"
        self._process.send_signal(number)

    def _responds(self, port: int) -> bool:
        assert self._process is not None
        end_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < end_s and self._process.poll() is None:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 1) as connection,
            ):
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return True
            time.sleep(0.01)
        return False


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis for one test."""
    program = require_program("redis-server", "redis-server", "redis")
    server = RedisServer(program, str(tmp_path_factory.mktemp("redis")))
    server.start()
    yield server
    server.stop()
