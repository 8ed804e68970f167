"""At the door: what a full server says no to before the framework is asked for anything.

An overload is mostly refusals, and they share the event loop with the captions in work. Through
routing, dependencies and validation a refusal took 1.3 ms of it, here it takes half.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.services import Services
from app.errors import CaptionError

_BODY_WAIT_S = 0.25
"""Most clients send head and body at once, or one right behind the other."""

Render = Callable[[Request, Exception], Awaitable[Response]]
"""Makes the response of a problem, as for one that a route raised."""


class LoadSheddingMiddleware:
    """Refuses captions that would be refused anyway: the key first, then the limit, then the room.

    Only a request whose body has come whole is refused here: one that is still sending is not
    counted yet, and may find room when it is. It is not waited for: whoever has no key, or never
    sends, is the routes' to answer and to time.
    """

    def __init__(self, app: ASGIApp, *, paths: frozenset[str], render: Render) -> None:
        """`paths` are those that take a place; `render` is the application's problem handler."""
        self._app = app
        self._paths = paths
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand the request on as it came."""
        services: Services | None = scope.get("state", {}).get("services")
        if (
            services is None
            or scope["type"] != "http"
            or scope["method"] != "POST"
            or scope["path"] not in self._paths
            or services.admission.refusal() is None
        ):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(_BODY_WAIT_S):
                first = await receive()
        except TimeoutError:
            await self._app(scope, receive, send)
            return
        refusal = services.admission.refusal()
        if refusal is None or first["type"] != "http.request" or first.get("more_body", False):
            await self._app(scope, _beginning_with(first, receive), send)
            return
        request = Request(scope)
        scope["state"]["route"] = scope["path"]
        problem: CaptionError = refusal
        try:
            await services.gate.admit(request, Response())
        except CaptionError as error:
            problem = error
        response = await self._render(request, problem)
        await response(scope, receive, send)


def _beginning_with(first: Message, receive: Receive) -> Receive:
    """`receive` with the message that has been taken from it given back."""
    pending: list[Message] = [first]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again
