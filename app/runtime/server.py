"""Running the application: listening, draining on SIGTERM, several workers behind one port."""

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from app.runtime.drain import Drain
from app.runtime.http_protocol import (
    Refusal,
    bounded,
    most_connections,
    raise_descriptor_limit,
)

_logger = logging.getLogger(__name__)

LINGER_S = 1.5
"""How long the listener stays open after SIGTERM: a load balancer that asks /readyz every second
sees 503 before a connection is refused."""
ANSWER_WITHIN_S = 13.0
"""By when all work is answered after SIGTERM; what cannot be done by then says so itself."""
FORCE_AFTER_S = 15.0
"""When a connection that still hangs is cut, so that the process is gone within 20 seconds."""
_BACKLOG = 2048
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Numbers of mallopt's parameters in glibc's malloc.h."""
_OWN_PAGES_BYTES = 512 * 1024 + 4096
"""Larger than the buffers of an ordinary caption, so that these are used again: fresh pages for
each of them took a millisecond of the kernel's time. With twice as much the heap kept 60 MiB more
after large pictures and bodies, as small pieces lay above large holes."""
_KEPT_BYTES = 8 * 1024 * 1024
_HEAR_OUT_S = 0.3
"""For a request that is on its way over a connection that was accepted at the last moment."""
_RESTART_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Application:
    """What a server process serves."""

    create: Callable[[Drain], Any]
    """Makes the ASGI application; SIGTERM reaches its routes through the Drain."""
    malformed_response: Refusal
    """The head and body sent to a client that does not speak HTTP."""


class DrainingServer(uvicorn.Server):
    """Uvicorn that leaves politely: not ready at once, listening on for a moment, exit code 0."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain
        self._stop_at_s: float | None = None
        self._last_signal = 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT; unlike uvicorn's, do not die of them again at the end."""
        before = {
            sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's own form
        """Begin to drain; a second Ctrl+C stops at once."""
        if self._stop_at_s is not None and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
            return
        self._drain.begin()
        if self._stop_at_s is None:
            # At a terminal nobody's load balancer is watching.
            self._stop_at_s = time.monotonic() + (0.0 if sig == signal.SIGINT else LINGER_S)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: shorten what is in work, and stop listening when it is time."""
        if self._stop_at_s is not None:
            self._drain.shorten(ANSWER_WITHIN_S)
            if time.monotonic() >= self._stop_at_s:
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept whoever is in the kernel's queue, hear them out, then close as uvicorn does.

        A listener that is closed resets the connections that nobody has accepted yet, and uvicorn
        hangs up on those that have not sent their request: both were let in, and are answered.
        """
        loop = asyncio.get_running_loop()
        queues = [sock.dup() for sock in sockets or []]
        for server in self.servers:
            server.close()
        late: list[socket.socket] = []
        for queue in queues:
            queue.setblocking(False)
            with contextlib.suppress(OSError):  # BlockingIOError: the queue is empty
                while len(late) < _BACKLOG:
                    late.append(queue.accept()[0])
            queue.close()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._protocol, one) for one in late),
            return_exceptions=True,
        )
        await asyncio.sleep(_HEAR_OUT_S)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio turns Nagle's algorithm off only where it is, and with it on
    # every answer in two parts waits 40 ms for the client's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _give_memory_back() -> None:
    """Tell glibc to hand large buffers back to the system when they are freed.

    By default it learns from each freed buffer to keep the next one of up to 32 MB in its heap.
    Small ones stay there, up to _KEPT_BYTES of them. Elsewhere this does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, 2)


def run_worker(application: Application, sock: socket.socket) -> int:
    """Serve on the socket until told to stop; the exit code."""
    raise_descriptor_limit()
    _give_memory_back()
    drain = Drain()
    config = uvicorn.Config(
        application.create(drain),
        http=bounded(most=most_connections(), refusal=application.malformed_response),
        loop="asyncio",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
        timeout_keep_alive=75,  # longer than the 60 s of common load balancers, so that they close
        timeout_graceful_shutdown=int(FORCE_AFTER_S - LINGER_S),
        backlog=_BACKLOG,
    )
    server = DrainingServer(config, drain)
    server.run([sock])
    return 0 if server.started else 1


def run_workers(count: int, sock: socket.socket) -> int:
    """Keep `count` processes on one socket; replace one that dies; the exit code."""
    metrics_dir = tempfile.mkdtemp(prefix="altwright-metrics-")
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics_dir}
    stopping = False

    def stop(_sig: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "app", "serve", "--listen-fd", str(sock.fileno())],
            env=environment,
            pass_fds=[sock.fileno()],
            # A process group of its own: Ctrl+C reaches the workers through this process alone.
            process_group=0,
        )

    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, stop)
    workers = [start() for _ in range(count)]
    try:
        while not stopping:
            time.sleep(0.1)
            for index, worker in enumerate(workers):
                if worker.poll() == STARTUP_FAILURE:
                    _logger.error("a worker cannot start; starting it again would not help")
                    stopping = True
                elif worker.returncode is not None and not stopping:
                    _logger.warning(
                        "a worker died and is replaced",
                        extra={"pid": worker.pid, "exit_code": worker.returncode},
                    )
                    time.sleep(_RESTART_PAUSE_S)
                    workers[index] = start()
    finally:
        for worker in workers:
            worker.terminate()
        codes = [worker.wait() for worker in workers]
        shutil.rmtree(metrics_dir, ignore_errors=True)
    if any(code == STARTUP_FAILURE for code in codes):
        return STARTUP_FAILURE
    # A worker that was only just starting dies of our own SIGTERM; it had nothing to answer.
    return int(any(code not in (0, -signal.SIGTERM) for code in codes))


def serve(application: Application, sock: socket.socket, *, workers: int = 1) -> int:
    """Serve on a listening socket until told to stop; the exit code."""
    if workers > 1:
        return run_workers(workers, sock)
    return run_worker(application, sock)
