"""Exception handlers: every error of a request becomes a problem response here."""

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.auth import request_usage
from app.api.errors import MethodNotAllowed, NotFound
from app.api.methods import allowed_methods
from app.api.problems import problem_response
from app.errors import CaptionError
from app.fetching.errors import ImageUrlForbidden
from app.telemetry.request_context import set_log_fields
from app.usage.request_usage import CLIENT_GONE

CLIENT_GONE_STATUS = 499
"""nginx's status for a client that disconnected. It appears only in the log."""


def add_exception_handlers(app: FastAPI) -> None:
    """Register the handlers of this module with the application."""
    app.add_exception_handler(CaptionError, render_caption_error)
    app.add_exception_handler(HTTPException, _render_http_exception)
    app.add_exception_handler(ClientDisconnect, _record_client_disconnect)


async def render_caption_error(request: Request, error: Exception) -> Response:
    """The problem response of an error. Its code and reason go into the request's log line."""
    assert isinstance(error, CaptionError)  # noqa: S101 - Starlette's signature is wider
    request.state.code = error.code
    if (usage := request_usage(request)) is not None:
        usage.add_problem(error.code, error.take_token_uses())
    if isinstance(error, ImageUrlForbidden) and error.is_own_network:
        authenticator = request.state.services.authenticator
        if authenticator.is_on_this_machine(request):
            error.detail = error.own_network
    if error.log_reason:
        set_log_fields(reason=error.log_reason)
    root_path = request.scope.get("root_path", "")
    response = problem_response(error, request.state.request_id, root_path)
    if error.status == 429:
        response.headers.update(getattr(request.state, "rate_limit_headers", {}))
    return response


async def _render_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405 as problems."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's signature is wider
    problem = MethodNotAllowed() if error.status_code == 405 else NotFound()
    response = await render_caption_error(request, problem)
    if problem.status == 405:
        response.headers["Allow"] = allowed_methods(request.scope)
    return response


async def _record_client_disconnect(request: Request, _error: Exception) -> Response:
    request.state.code = CLIENT_GONE
    if (usage := request_usage(request)) is not None:
        usage.add_client_gone()
    return Response(status_code=CLIENT_GONE_STATUS)
