"""What happens around every request: an ID, a line in the log, a number, and safe headers."""

import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import malformed_response, response_for
from app.errors import InternalError

_logger = logging.getLogger(__name__)

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/+=@-]{0,127}")
"""What may stand in a log line and a header without being quoted."""

Observe = Callable[[str, str, float], None]
"""Told the route, the code of the answer and the seconds it took."""


class RequestMiddleware:
    """Pure ASGI: no buffering, no task switch, and cancellation passes through."""

    def __init__(self, app: ASGIApp, *, observe: Observe, is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._observe = observe
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request; a bug becomes a plain `internal` problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        began_s = time.monotonic()
        status = 0
        sent = Headers(scope=scope)
        # Two lengths for one body: what a proxy before us took for the end may not be ours, so
        # nothing that follows on this connection is believed (RFC 9112, 6.1).
        is_ambiguous = "content-length" in sent and "transfer-encoding" in sent

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                _protect(headers, request_id)
                if is_ambiguous or self._is_draining():
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # The last line of defence: whatever was not foreseen is logged here and answered
            # without a word of the inside.
            _logger.exception("internal error", extra={"request_id": request_id})
            scope["state"]["code"] = InternalError.code
            if status == 0:
                await response_for(InternalError(), request_id)(scope, receive, send_with_headers)
        finally:
            self._finish(scope, status, time.monotonic() - began_s)

    def _finish(self, scope: Scope, status: int, took_s: float) -> None:
        state = scope["state"]
        route = state.get("route") or getattr(scope.get("route"), "path", "(none)")
        code = state.get("code", "ok" if status else "client_gone")
        self._observe(route, code, took_s)
        if route in ("/healthz", "/readyz", "/metrics"):
            return
        _logger.info(
            "request",
            extra={
                "request_id": state["request_id"],
                "method": scope["method"][:20],
                "path": scope["path"][:200],
                "status": status,
                "code": code,
                "ms": round(took_s * 1000),
                **state.get("log", {}),
            },
        )


def refusal_of_no_http() -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the 400 for what is no valid HTTP/1.1, and so no request of a route."""
    request_id = secrets.token_hex(8)
    response = malformed_response(request_id)
    _protect(MutableHeaders(raw=response.raw_headers), request_id)
    headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    return headers, bytes(response.body)


def _protect(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Content-Security-Policy", "default-src 'none'")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")


def _request_id(sent: str | None) -> str:
    if sent is not None and _SANE_ID.fullmatch(sent):
        return sent
    return secrets.token_hex(8)
