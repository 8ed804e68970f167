"""Receive guard: limits what a server may send on one connection, HTTP framing included.

Shared by the connections to origins and to model servers. It does no I/O: the network stream asks
how much to read, and passes on what the guard lets through.
"""

from app.runtime.header_filter import HeaderFilter, HeadTooLong

HEAD_MAX_BYTES = 256 * 1024
"""Of a response's head, interim responses (103) included. Browsers allow as much."""
_HEAD_READ_BYTES = 8 * 1024
"""Most heads are smaller. Other tasks run between two reads."""


class BodyTooLong(Exception):
    """The body has too many bytes on the wire."""


class ReceiveGuard:
    """Counts the received bytes, and filters the heads of responses; see HeaderFilter.

    An endless head, a flood of interim responses and chunks of one byte cost bytes that are part
    of no body.
    """

    def __init__(self, body_read_bytes: int) -> None:
        """`body_read_bytes` is the least that is read at a time within a body."""
        self._body_read_bytes = body_read_bytes
        self._left_bytes = HEAD_MAX_BYTES
        self._is_in_body = False
        self._was_last_read_full = False
        self._header_filter = HeaderFilter()

    def begin_head(self) -> None:
        """A part of a request has been sent. The next bytes received are a head."""
        self._left_bytes = HEAD_MAX_BYTES
        self._is_in_body = False
        self._header_filter.begin()

    def begin_body(self, max_bytes: int) -> None:
        """The head is complete: from here on `max_bytes` may arrive, framing included."""
        self._left_bytes = max_bytes
        self._is_in_body = True

    def bytes_to_read(self, asked_bytes: int) -> int:
        """How much to read where the parser asks for `asked_bytes`."""
        if self._is_in_body:
            return max(asked_bytes, self._body_read_bytes)
        return min(asked_bytes, _HEAD_READ_BYTES)

    def receive(self, data: bytes, read_bytes: int) -> bytes | None:
        """What the parser may read of `data`, of which `read_bytes` were asked for.

        None where that is nothing yet, and more must be read: no bytes at all would mean that the
        connection has ended. Raises HeadTooLong and BodyTooLong.
        """
        self._was_last_read_full = len(data) >= read_bytes
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            if self._is_in_body:
                raise BodyTooLong("too many bytes on the wire for the body")
            raise HeadTooLong(f"no head within {HEAD_MAX_BYTES} bytes")
        if self._is_in_body:
            return data
        passed = self._header_filter.feed(data) if data else self._header_filter.end()
        return passed if passed or not data else None

    @property
    def must_not_reuse(self) -> bool:
        """Whether more may have arrived than was read, or a header line was malformed."""
        return self._was_last_read_full or self._header_filter.has_dropped
