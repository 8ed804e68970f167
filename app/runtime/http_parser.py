"""The parser of requests: h11 with limits, and with the forms of a request target."""

import re

import h11

from app.runtime.piece_limit import PieceLimit

HEAD_MAX_BYTES = 64 * 1024
_MAX_HEADERS = 256
"""Clients and proxies send some dozen."""
_FREE_CHUNKS, _MIN_CHUNK_BYTES = 256, 512
"""A chunk of a body takes some 20 us of the event loop, however small it is. The first ones cost as
much as a request; the others must have a size on average. Chunks of one byte at a megabyte a
second held every other request for four seconds."""
_MAX_CHUNK_BYTES = 1 << 30
"""No body is as large. Its sender would wait for an answer, and the answer for its body."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_ABSOLUTE_FORM = re.compile(
    rb"https?://(?:[^/?#@]*@)?(?P<authority>[^/?#@]+)(?P<path>/[^?]*)?(?P<query>\?.*)?",
    re.IGNORECASE,
)


class StrictConnection(h11.Connection):
    """A parser that refuses as malformed what costs more than a request, or has two meanings.

    A target in absolute form, as proxies are sent it, becomes its path; its authority replaces the
    Host header (RFC 9112, 3.2.2).
    """

    _chunks = PieceLimit(_FREE_CHUNKS, _MIN_CHUNK_BYTES)

    def receive_data(self, data: bytes) -> None:
        """Empty lines before a request are ignored (RFC 9112, 2.2)."""
        if data and self.their_state is h11.IDLE and not self.trailing_data[0]:
            data = data.lstrip(b"\r\n")
            if not data:  # no data at all would mean that the client has closed
                return
        super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event. Raises h11.RemoteProtocolError."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = PieceLimit(_FREE_CHUNKS, _MIN_CHUNK_BYTES)
            return _check_request(event)
        if isinstance(event, h11.Data) and not self._chunks.add(len(event.data)):
            raise h11.RemoteProtocolError("chunks of a few bytes")
        # h11 does not tell the size of a chunk that has not arrived.
        if getattr(getattr(self, "_reader", None), "_bytes_in_chunk", 0) > _MAX_CHUNK_BYTES:
            raise h11.RemoteProtocolError("a chunk of a gigabyte")
        return event


def _check_request(request: h11.Request) -> h11.Request:
    """The request with its target in origin form. Raises h11.RemoteProtocolError."""
    if not request.http_version.startswith(b"1."):
        raise h11.RemoteProtocolError("another version of HTTP")
    head_bytes = len(request.method) + len(request.target)
    head_bytes += sum(len(name) + len(value) for name, value in request.headers)
    # The parser's own limit is for a head that has not ended.
    if head_bytes > HEAD_MAX_BYTES or len(request.headers) > _MAX_HEADERS:
        raise h11.RemoteProtocolError("the head is too large")
    if not all(_HOST.fullmatch(value) for name, value in request.headers if name == b"host"):
        raise h11.RemoteProtocolError("the Host header is none")
    if request.method == b"CONNECT":
        raise h11.RemoteProtocolError("this is no proxy")
    if request.target.startswith(b"/") or (request.method, request.target) == (b"OPTIONS", b"*"):
        return request
    absolute = _ABSOLUTE_FORM.fullmatch(request.target)
    if absolute is None or _HOST.fullmatch(absolute["authority"]) is None:
        raise h11.RemoteProtocolError("the request target has no form of RFC 9112")
    others = [(name, value) for name, value in request.headers if name != b"host"]
    return h11.Request(
        method=request.method,
        target=(absolute["path"] or b"/") + (absolute["query"] or b""),
        headers=[(b"host", absolute["authority"]), *others],
        http_version=request.http_version,
    )
