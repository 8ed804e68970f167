"""Cross-origin requests (CORS): pages of the origins in CORS_ORIGINS may call the API."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

_METHODS = ("GET", "HEAD", "POST")
_SENT_HEADERS = ("Authorization", "Content-Type", "X-Request-ID", "traceparent")
READABLE_HEADERS = (
    "X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
    "Retry-After", "X-Cache",
)  # fmt: skip
"""Headers of a response that scripts of those pages may read."""


class CorsMiddleware(CORSMiddleware):
    """Starlette's middleware, whose preflight responses leave the decision to the browser.

    Starlette's own has 400 and plain text where something is not allowed; the browser compares the
    headers anyway. No cookie is ever used, so credentials are not allowed.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_SENT_HEADERS,
            expose_headers=READABLE_HEADERS,
            allow_private_network=True,  # the operator has named the origin
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """204 with what is allowed; without an allowed origin where it is not one of them."""
        response = super().preflight_response(request_headers)
        headers = {
            name: value
            for name, value in response.headers.items()
            if name not in ("content-type", "content-length")
        }
        return Response(status_code=204, headers=headers)
