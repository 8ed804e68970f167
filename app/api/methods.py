"""HTTP methods that no route has itself: HEAD wherever there is GET, and OPTIONS."""

from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

_ROUTED_METHODS = {"GET": ("GET", "HEAD"), "POST": ("POST",)}
"""The methods of routes, and what is answered where a route has one."""


class MethodsMiddleware:
    """Answers HEAD as GET, and OPTIONS with the methods of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The server that sends the response leaves the body of one to HEAD out."""
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            inner = {**scope, "method": "GET"}
            await self._app(inner, receive, send)
            if "route" in inner:
                scope["route"] = inner["route"]  # for the log
        elif allow := allowed_methods(scope):
            await Response(status_code=204, headers={"Allow": allow})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def allowed_methods(scope: Scope) -> str:
    """The value of `Allow` for the path of a request; empty where there is no such path."""
    allowed = [
        answered
        for method, answers in _ROUTED_METHODS.items()
        if _is_routed(scope, method)
        for answered in answers
    ]
    return ", ".join([*allowed, "OPTIONS"]) if allowed else ""


def _is_routed(scope: Scope, method: str) -> bool:
    tried = {name: value for name, value in scope.items() if name != "fastapi"} | {"method": method}
    return any(route.matches(tried)[0] is Match.FULL for route in scope["app"].router.routes)
