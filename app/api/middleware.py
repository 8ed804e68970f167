"""The outermost middleware: each request gets an ID, a log line, metrics and security headers."""

import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import malformed_request_response, problem_response
from app.errors import InternalError

_logger = logging.getLogger(__name__)

_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/+=@-]{0,127}")
"""Text that needs no quoting in a log line or a header."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNLOGGED_ROUTES = ("/healthz", "/readyz", "/metrics")

ObserveRequest = Callable[[str, str, float], None]
"""Called with the route, the code of the response and the seconds that it took."""


class RequestMiddleware:
    """Pure ASGI: no buffering, no switch of tasks, and cancellation passes through."""

    def __init__(
        self, app: ASGIApp, *, observe: ObserveRequest, is_draining: Callable[[], bool]
    ) -> None:
        self._app = app
        self._observe = observe
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request. An unexpected error becomes the problem `internal`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _choose_request_id(headers.get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        began_s = time.monotonic()
        status = 0
        # With two lengths for one body, a proxy before us may have ended the request elsewhere. So
        # nothing that follows on this connection is trusted (RFC 9112, 6.1).
        is_ambiguous = "content-length" in headers and "transfer-encoding" in headers

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                response_headers = MutableHeaders(raw=message.setdefault("headers", []))
                _add_headers(response_headers, request_id)
                if is_ambiguous or self._is_draining():
                    response_headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            _logger.exception("request.failed", extra={"request_id": request_id})
            scope["state"]["code"] = InternalError.code
            if status == 0:
                response = problem_response(InternalError(), request_id)
                await response(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.monotonic() - began_s)

    def _record(self, scope: Scope, status: int, took_s: float) -> None:
        state = scope["state"]
        route = state.get("route") or getattr(scope.get("route"), "path", "(none)")
        code = state.get("code", "ok" if status else "client_gone")
        self._observe(route, code, took_s)
        if route in _UNLOGGED_ROUTES:
            return
        _logger.info(
            "request.finished",
            extra={
                "request_id": state["request_id"],
                # No text of the caller: a key or a context may stand in a wrong path.
                "method": scope["method"] if scope["method"] in _METHODS else "(other)",
                "path": route,
                "status": status,
                "code": code,
                "ms": round(took_s * 1000),
                **state.get("log_fields", {}),
            },
        )


def render_malformed_request() -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the 400 for bytes that are not HTTP/1.1 and so reach no route."""
    request_id = secrets.token_hex(8)
    response = malformed_request_response(request_id)
    _add_headers(MutableHeaders(raw=response.raw_headers), request_id)
    headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    return headers, bytes(response.body)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Content-Security-Policy", "default-src 'none'")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")


def _choose_request_id(sent: str | None) -> str:
    if sent is not None and _VALID_REQUEST_ID.fullmatch(sent):
        return sent
    return secrets.token_hex(8)
