"""What one connection to us may hold, and for how long, before it has asked for anything."""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT_S = 15.0
"""For a request's head, from the first byte or from connecting. uvicorn has no such limit: whoever
sends one header a minute would hold a connection for ever."""
SEND_TIMEOUT_S = 30.0
"""For a client that stopped reading to go on: an answer that nobody takes is memory."""
_RESERVED_DESCRIPTORS = 512
"""For what is done for those who are connected: origins, models, children, files."""
_FEWEST_CONNECTIONS = 64


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


class BoundedH11(H11Protocol):
    """uvicorn's HTTP/1.1, with a time for the head of a request and a number of connections."""

    most = 0
    """Set by `bounded()`: connections past this are closed at once."""
    head_timeout_s = HEAD_TIMEOUT_S
    send_timeout_s = SEND_TIMEOUT_S
    _send_timer: asyncio.TimerHandle | None = None
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock; refuse one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """The clock runs from the first byte of a head to its last."""
        super().data_received(data)
        self._watch()

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
    *, most: int, head_timeout_s: float = HEAD_TIMEOUT_S, send_timeout_s: float = SEND_TIMEOUT_S
) -> type[H11Protocol]:
    """The protocol with these limits: uvicorn takes a class."""
    limits = {"most": most, "head_timeout_s": head_timeout_s, "send_timeout_s": send_timeout_s}
    return type("BoundedH11", (BoundedH11,), limits)
