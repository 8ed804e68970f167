"""Usage middleware: every request of a key to a caption route is counted before it is answered."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.dependencies import find_services
from app.api.root_path import route_path

_CAPTION_PATHS = "/v1/image/"


class UsageMiddleware:
    """Counts a request when its response begins: a server that is killed later loses no count."""

    def __init__(self, app: ASGIApp, *, paths: frozenset[str]) -> None:
        """`paths` are counted."""
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request. Routes and exception handlers add to `request.state.usage`."""
        services = find_services(scope, self._paths)
        if services is None:
            await self._app(scope, receive, send)
            return
        meter = services.meter
        usage = meter.begin(makes_captions=route_path(scope).startswith(_CAPTION_PATHS))
        scope["state"]["usage"] = usage

        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await meter.count(usage)
            await send(message)

        try:
            await self._app(scope, receive, count_and_send)
        except Exception:
            if not usage.is_counted:
                usage.add_internal_error()
                await meter.count(usage)
            raise
        finally:
            if not usage.is_counted:
                usage.add_client_gone()
                meter.count_later(usage)
