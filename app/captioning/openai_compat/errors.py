"""Errors between a model server and the session that calls it."""

from app.captioning.errors import RequestSpecificError


class TransportError(Exception):
    """No usable HTTP response came from the model server. The text is safe to log."""


class ConnectionFailed(TransportError):
    """The connection was refused, reset or broken, or DNS or TLS failed."""


class ConnectionBroken(ConnectionFailed):
    """The connection broke after the request was sent: the server may have crashed on it."""


class ConnectTimeout(TransportError):
    """No connection was made in time. It is not retried: a retry would take as long again."""


class ResponseRejected(TransportError):
    """The response is too large, in too many pieces, or compressed although that was not asked."""


class EmptyResponse(RequestSpecificError):
    """The model's response has no text besides its reasoning."""
