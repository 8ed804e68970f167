"""The server process: listen, serve with uvicorn, drain on SIGTERM, exit with 0."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import uvicorn

from app.runtime.allocator import return_large_buffers
from app.runtime.drain import Drain
from app.runtime.fair_loop import FairEventLoop
from app.runtime.http_protocol import (
    RawResponse,
    bounded_protocol,
    max_client_connections,
    raise_descriptor_limit,
)
from app.runtime.supervisor import run_processes

_logger = logging.getLogger(__name__)

REFUSAL_S = 1.5
"""How long the listener stays open after the notice. A caller that still comes gets a 503 with
Retry-After, not a refused connection."""
DRAIN_TIMEOUT_S = 15.0
"""When all work has ended after SIGTERM; work that is stopped then answers with its error."""
FORCED_CLOSE_S = 17.0
"""When a connection that is still open is closed, so that the process has ended within 20 s."""
_BACKLOG = 2048
_KEEP_ALIVE_S = 75
"""Longer than the 60 s of common load balancers, so that they close idle connections, not we."""
_LAST_REQUESTS_S = 0.3
"""For a request that is on its way over a connection that was accepted last."""


@dataclass(frozen=True, slots=True)
class Application:
    """What a server process serves."""

    create: Callable[[Drain], Any]
    """Makes the ASGI application; SIGTERM reaches its routes through the Drain."""
    malformed_response: RawResponse
    """Makes the response to a client that does not speak HTTP."""
    drain_notice_s: float
    """How long new work is still taken after SIGTERM, while /readyz is already 503."""


@dataclass(frozen=True, slots=True)
class _Schedule:
    """The moments of a drain, on the monotonic clock in seconds."""

    notice_s: float
    refuse_at_s: float
    close_at_s: float
    """When the listener is closed."""
    force_at_s: float
    """When connections that are still open are closed."""


class DrainingServer(uvicorn.Server):
    """uvicorn with a drain: not ready at once, serving for a notice, refusing, exit code 0."""

    def __init__(self, config: uvicorn.Config, drain: Drain, notice_s: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._notice_s = notice_s
        self._schedule: _Schedule | None = None
        self._has_logged_drain = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT; uvicorn's own version raises them again at the end."""
        before = {
            sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        """Begin to drain. A second Ctrl+C stops at once."""
        if self._schedule is not None and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
            return
        self._drain.begin()
        if self._schedule is None:
            now_s = time.monotonic()
            # Ctrl+C comes from a terminal, where no load balancer needs a notice.
            is_terminal = sig == signal.SIGINT
            notice_s = 0.0 if is_terminal else self._notice_s
            refuse_at_s = now_s + notice_s
            self._schedule = _Schedule(
                notice_s=notice_s,
                refuse_at_s=refuse_at_s,
                close_at_s=refuse_at_s + (0.0 if is_terminal else REFUSAL_S),
                force_at_s=now_s + FORCED_CLOSE_S,
            )

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: shorten timeouts, refuse and stop listening when it is time."""
        if self._schedule is not None:
            if not self._has_logged_drain:  # not in the signal handler: it may interrupt a log call
                self._has_logged_drain = True
                _logger.info("server.draining", extra={"notice_s": self._schedule.notice_s})
            self._drain.shorten_timeouts(DRAIN_TIMEOUT_S)
            now_s = time.monotonic()
            if now_s >= self._schedule.refuse_at_s:
                self._drain.refuse_new_work()
            if now_s >= self._schedule.close_at_s:
                self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept the connections in the kernel's queue, read their requests, then close as uvicorn.

        Closing a listener resets connections that are not accepted yet, and uvicorn closes those
        whose request has not arrived. Both would lose a request.
        """
        loop = asyncio.get_running_loop()
        listeners = [sock.dup() for sock in sockets or []]
        for server in self.servers:
            server.close()
        accepted: list[socket.socket] = []
        for listener in listeners:
            listener.setblocking(False)
            with contextlib.suppress(OSError):  # BlockingIOError: the queue is empty
                while len(accepted) < _BACKLOG:
                    accepted.append(listener.accept()[0])
            listener.close()
        await asyncio.gather(
            *(loop.connect_accepted_socket(self._new_protocol, sock) for sock in accepted),
            return_exceptions=True,
        )
        await asyncio.sleep(_LAST_REQUESTS_S)
        if self._schedule is not None:
            left_s = self._schedule.force_at_s - time.monotonic()
            self.config.timeout_graceful_shutdown = max(1, int(left_s))
        await super().shutdown(sockets)

    def _new_protocol(self) -> asyncio.Protocol:
        protocol_class: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError where the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named. With it on, every
    # response in two parts waits 40 ms for the client's delayed acknowledgement.
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


def serve(application: Application, sock: socket.socket, *, processes: int = 1) -> int:
    """Serve on a listening socket until SIGTERM or SIGINT; returns the exit code."""
    if processes > 1:
        return run_processes(processes, sock)
    return _run_process(application, sock)


def _run_process(application: Application, sock: socket.socket) -> int:
    """Serve in this process until SIGTERM or SIGINT; returns the exit code."""
    raise_descriptor_limit()
    return_large_buffers()
    drain = Drain()
    config = uvicorn.Config(
        application.create(drain),
        http=bounded_protocol(
            max_connections=max_client_connections(),
            malformed_response=application.malformed_response,
        ),
        loop=f"{FairEventLoop.__module__}:{FairEventLoop.__name__}",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
        timeout_keep_alive=_KEEP_ALIVE_S,
        backlog=_BACKLOG,
    )
    server = DrainingServer(config, drain, application.drain_notice_s)
    server.run([sock])
    if not server.started:
        _logger.error("server.start_failed", extra={"pid": os.getpid()})
        return 1
    _logger.info("server.stopped", extra={"pid": os.getpid()})
    return 0
