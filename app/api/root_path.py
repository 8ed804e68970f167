"""The path prefix under which a proxy serves the API (ROOT_PATH), whether it strips it or not."""

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def route_path(scope: Scope) -> str:
    """The path as the routes have it, without the prefix."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    return path.removeprefix(root_path) if path.startswith(root_path + "/") else path


class RootPathMiddleware:
    """Tells routes and pages of the prefix (`root_path` in ASGI).

    The bare prefix leads to the playground, whose links are relative to its folder.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect, or pass on."""
        if scope["type"] == "http":
            scope["root_path"] = self._root_path
            if scope["path"] == self._root_path:
                await RedirectResponse(self._root_path + "/", 308)(scope, receive, send)
                return
        await self._app(scope, receive, send)
