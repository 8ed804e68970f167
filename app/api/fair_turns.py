"""Requests run on the event loop in fair turns of their callers (app/runtime/fair_loop.py)."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auth import caller_name_of_address
from app.api.dependencies import Services
from app.errors import CaptionError
from app.runtime.fair_loop import enter_turns


class FairTurnsMiddleware:
    """Lets each request wait for its caller's turn, before anything else is done for it.

    A caller without a valid key is its address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Enter the turns, and run the request."""
        services: Services | None = scope.get("state", {}).get("services")
        if scope["type"] == "http" and services is not None:
            await enter_turns(_caller_name(Request(scope), services))
        await self._app(scope, receive, send)


def _caller_name(request: Request, services: Services) -> str:
    try:
        return services.authenticator.authenticate(request).name
    except CaptionError:
        return caller_name_of_address(request.client.host if request.client else "unknown")
