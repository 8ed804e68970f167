"""HTTP/1.1 for uvicorn with limits on connections, request heads, chunks and slow readers.

uvicorn has none of these limits, and a client needs no key to reach them.
"""

import asyncio
import resource
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.runtime.http_parser import HEAD_MAX_BYTES, StrictConnection

HEAD_TIMEOUT_S = 15.0
"""For the head of a request, from connecting or from its first byte. Without it a client that
sends one header a minute holds a connection for ever."""
SEND_TIMEOUT_S = 30.0
"""For a client that stopped reading to go on. A response that is not read occupies memory."""
_RESERVED_DESCRIPTORS = 512
"""For connections to origins and model servers, child processes and files."""
_MIN_CONNECTIONS = 64
_MAX_DESCRIPTORS = 65_536
_READ_BYTES = 64 * 1024
"""Read from a client at a time, as much as uvicorn lets wait for the application. asyncio reads 256
KiB, which each of many clients with a large body would hold until its turn."""
_JOINED_BYTES = 16 * 1024
"""A write larger than this is sent at once: joining would copy it."""

RawResponse = Callable[[], tuple[list[tuple[bytes, bytes]], bytes]]
"""Makes the headers and the body of a response that no application writes."""


def raise_descriptor_limit() -> int:
    """Raise this process's limit of file descriptors as far as the system allows; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def max_client_connections() -> int:
    """How many clients may be connected so that descriptors are left for the server's own work."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MAX_DESCRIPTORS
    return max(_MIN_CONNECTIONS, soft - _RESERVED_DESCRIPTORS)


class _JoiningTransport(asyncio.Transport):
    """Sends all that is written in one iteration of the event loop in one piece.

    uvicorn writes the head and the body of a response one after the other. Apart, each is a packet
    and a system call, and wakes the reader for half a response.
    """

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._pending: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)
        if len(data) > _JOINED_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        self._pending.clear()
        self._inner.abort()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._inner.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        if pending and not self._inner.is_closing():
            self._inner.write(pending[0] if len(pending) == 1 else b"".join(pending))


class BoundedH11Protocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with limits; `bounded_protocol` sets them."""

    max_connections = 0
    malformed_response: RawResponse = staticmethod(lambda: ([], b""))
    head_timeout_s = HEAD_TIMEOUT_S
    send_timeout_s = SEND_TIMEOUT_S
    _send_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close a connection over the limit at once; give others time for a head."""
        self.conn = StrictConnection(h11.SERVER, HEAD_MAX_BYTES)
        if hasattr(transport, "max_size"):  # asyncio's own over sockets
            transport.max_size = _READ_BYTES
        super().connection_made(_JoiningTransport(transport, self.loop))
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        self._update_head_timer()

    def data_received(self, data: bytes) -> None:
        """Parse; the head timer runs from the first byte of a head to its last."""
        super().data_received(data)
        self._update_head_timer()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Send the `malformed_response`, or close where a response has already begun."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # stops the application's work on this request
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        headers, body = self.malformed_response()
        framing = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=[*headers, *framing], reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next head: uvicorn's timer limits idle connections, ours begun heads."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._update_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._cancel_head_timer()
        self._cancel_send_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads nothing: give it some time, then close."""
        super().pause_writing()
        self._cancel_send_timer()
        self._send_timer = self.loop.call_later(self.send_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._cancel_send_timer()
        super().resume_writing()

    def _cancel_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _update_head_timer(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_head_timer()
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._on_head_timeout)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def bounded_protocol(
    *,
    max_connections: int,
    malformed_response: RawResponse,
    head_timeout_s: float = HEAD_TIMEOUT_S,
    send_timeout_s: float = SEND_TIMEOUT_S,
) -> type[H11Protocol]:
    """A BoundedH11Protocol class with these limits: uvicorn takes a class, not an instance.

    Connections over `max_connections` are closed at once. `malformed_response` answers what is not
    HTTP/1.1.
    """
    limits = {
        "max_connections": max_connections,
        "malformed_response": staticmethod(malformed_response),
        "head_timeout_s": head_timeout_s,
        "send_timeout_s": send_timeout_s,
    }
    return type("BoundedH11Protocol", (BoundedH11Protocol,), limits)
