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
from app.telemetry.request_context import RequestContext, work_for
from app.telemetry.trace_context import TraceContext
from app.telemetry.tracing import Span, request_span

_logger = logging.getLogger(__name__)

_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/+=@-]{0,127}")
"""Text that needs no quoting in a log line or a header."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNLOGGED_ROUTES = ("/healthz", "/readyz", "/metrics")
"""Nor are they traced: probes would be most of all lines and traces."""

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
        """Run the request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request = RequestContext(
            _choose_request_id(headers.get("x-request-id")), TraceContext.from_headers(headers)
        )
        state = scope.setdefault("state", {})
        state["request_id"] = request.request_id
        tracer = None if scope["path"].endswith(_UNLOGGED_ROUTES) else state.get("tracer")
        with work_for(request), request_span(tracer, _method(scope), request) as span:
            await self._run(scope, receive, send, request, span)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, request: RequestContext, span: Span
    ) -> None:
        headers, request_id = Headers(scope=scope), request.request_id
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
        finally:
            self._record(scope, status, time.monotonic() - began_s, request, span)

    def _record(
        self, scope: Scope, status: int, took_s: float, request: RequestContext, span: Span
    ) -> None:
        state = scope["state"]
        route = state.get("route") or getattr(scope.get("route"), "path", "(none)")
        code = state.get("code", "ok" if status else "client_gone")
        self._observe(route, code, took_s)
        if route in _UNLOGGED_ROUTES:
            return
        method = _method(scope)
        _logger.info(
            "request.finished",
            extra={
                # No text of the caller: a key or a context may stand in a wrong path.
                "method": method,
                "path": route,
                "status": status,
                "code": code,
                "ms": round(took_s * 1000),
                **request.last_fields(code),
            },
        )
        span.set_name(method if route == "(none)" else f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": None if route == "(none)" else route,
                "http.response.status_code": status or None,
                "altwright.request_id": request.request_id,
                "altwright.code": code,
                **request.span_attributes(code),
            }
        )
        if status >= 500 or not status:
            span.set_error(code)


class InternalErrorMiddleware:
    """Makes an unexpected error the problem `internal`, which says nothing of the inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request."""
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            if scope["type"] != "http":
                raise
            state = scope["state"]
            _logger.exception("request.failed")
            state["code"] = InternalError.code
            if not has_begun:
                root_path = scope.get("root_path", "")
                response = problem_response(InternalError(), state["request_id"], root_path)
                await response(scope, receive, send)


def render_malformed_request() -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the 400 for bytes that are not HTTP/1.1 and so reach no route."""
    request_id = secrets.token_hex(8)
    response = malformed_request_response(request_id)
    _add_headers(MutableHeaders(raw=response.raw_headers), request_id)
    headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    return headers, bytes(response.body)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "(other)"


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
