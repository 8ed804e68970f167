"""What one connection to us may hold, and for how long, before it has asked for anything."""

import asyncio
import resource
from collections.abc import Callable

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT_S = 15.0
"""For a request's head, from the first byte or from connecting. uvicorn has no such limit: whoever
sends one header a minute would hold a connection for ever."""
SEND_TIMEOUT_S = 30.0
"""For a client that stopped reading to go on: an answer that nobody takes is memory."""
_HEAD_MAX_BYTES = 64 * 1024
_CHUNKS_FREE, _CHUNK_BYTES = 256, 512
"""A chunk of a body takes some 20 us of the event loop, however small it is: past the first ones,
which cost what a request does, they must have a size. Chunks of one byte at a megabyte a second
held every other request for four seconds, and no key was asked for."""
_RESERVED_DESCRIPTORS = 512
"""For what is done for those who are connected: origins, models, children, files."""
_FEWEST_CONNECTIONS = 64
_JOINED_BYTES = 16 * 1024

Refusal = Callable[[], tuple[list[tuple[bytes, bytes]], bytes]]
"""Makes the headers and the body of an answer to what no application sees."""


def raise_descriptor_limit() -> int:
    """As many file descriptors as the system lets us have; how many there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def most_connections() -> int:
    """How many clients may be connected, so that some descriptors are left for our own work."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 65_536
    return max(_FEWEST_CONNECTIONS, soft - _RESERVED_DESCRIPTORS)


class _Counting(h11.Connection):
    """One connection's parser, which takes a body in crumbs for no HTTP at all."""

    _chunks = 0
    _body_bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Data):
            self._chunks += 1
            self._body_bytes += len(event.data)
            if (self._chunks - _CHUNKS_FREE) * _CHUNK_BYTES > self._body_bytes:
                raise h11.RemoteProtocolError("chunks of a few bytes")
        elif isinstance(event, h11.Request):
            self._chunks = self._body_bytes = 0
        return event


class _JoinedWrites(asyncio.Transport):
    """Sends what is written in one turn of the loop in one piece: an answer's head and its body.

    uvicorn writes them one after the other; each on its own is a packet, a system call, and on a
    busy machine a reader that is woken for half of it.
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
        if len(data) > _JOINED_BYTES:  # is copied for nothing, and may have to wait for its reader
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


class BoundedH11(H11Protocol):
    """uvicorn's HTTP/1.1, with a time for the head of a request and a number of connections."""

    most = 0
    """Set by `bounded()`: connections past this are closed at once."""
    refusal: Refusal = staticmethod(lambda: ([], b""))
    """Set by `bounded()`: headers and body for what is no HTTP/1.1."""
    head_timeout_s = HEAD_TIMEOUT_S
    send_timeout_s = SEND_TIMEOUT_S
    _send_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock; refuse one connection too many."""
        self.conn = _Counting(h11.SERVER, _HEAD_MAX_BYTES)
        super().connection_made(_JoinedWrites(transport, self.loop))
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """The clock runs from the first byte of a head to its last."""
        super().data_received(data)
        self._watch()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """The problem `refusal`; where an answer has begun nothing more can be said: hang up."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # whoever works on an answer can stop
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        headers, body = self.refusal()
        framing = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=[*headers, *framing], reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next head: idle connections have uvicorn's own limit, begun ones ours."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        self._stop_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing: it has some time, then its answer is dropped."""
        super().pause_writing()
        self._stop_sending()
        self._send_timer = self.loop.call_later(self.send_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It took some."""
        self._stop_sending()
        super().resume_writing()

    def _stop_sending(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _stop(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def bounded(
    *,
    most: int,
    refusal: Refusal,
    head_timeout_s: float = HEAD_TIMEOUT_S,
    send_timeout_s: float = SEND_TIMEOUT_S,
) -> type[H11Protocol]:
    """The protocol with these limits: uvicorn takes a class."""
    limits = {
        "most": most,
        "refusal": staticmethod(refusal),
        "head_timeout_s": head_timeout_s,
        "send_timeout_s": send_timeout_s,
    }
    return type("BoundedH11", (BoundedH11,), limits)
