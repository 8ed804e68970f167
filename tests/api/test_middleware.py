"""Every request gets an ID and security headers; an unexpected error reveals nothing internal."""

import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.api.cors import CorsMiddleware
from app.api.middleware import InternalErrorMiddleware, RequestMiddleware

SECRET = "postgres://u:hunter2@10.0.0.7/db and /srv/app/secret.py"


async def get(app: object, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as http:
        return await http.get("/", headers=headers)


async def failing_app(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(SECRET)


async def test_an_unexpected_error_is_logged_and_not_shown_to_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observed: list[tuple[str, str]] = []
    app = RequestMiddleware(
        InternalErrorMiddleware(failing_app),
        observe=lambda route, code, _s: observed.append((route, code)),
        is_draining=bool,
    )
    with caplog.at_level(logging.ERROR):
        response = await get(app, **{"X-Request-ID": "r-1"})
    body = response.json()
    assert (response.status_code, body["code"], body["retryable"]) == (500, "internal", True)
    assert body["request_id"] == response.headers["x-request-id"] == "r-1"
    assert "hunter2" not in response.text
    assert "secret.py" not in response.text
    assert observed == [("(none)", "internal")]
    assert caplog.records[0].exc_info is not None


async def test_a_draining_server_closes_its_connections() -> None:
    app = RequestMiddleware(
        InternalErrorMiddleware(failing_app), observe=lambda *_: None, is_draining=lambda: True
    )
    assert (await get(app)).headers["connection"] == "close"


@pytest.mark.parametrize("sent", ["a b", "x" * 129, '"<script>"', ""])
async def test_an_invalid_request_id_is_replaced(sent: str) -> None:
    app = RequestMiddleware(
        InternalErrorMiddleware(failing_app), observe=lambda *_: None, is_draining=bool
    )
    kept = await get(app, **{"X-Request-ID": "job-17:a"})
    assert kept.headers["x-request-id"] == "job-17:a"
    replaced = await get(app, **{"X-Request-ID": sent})
    assert replaced.headers["x-request-id"] not in ("", sent)


async def test_a_page_of_another_origin_can_read_an_unexpected_error() -> None:
    """Without these headers its browser would only say that the request failed."""
    app = RequestMiddleware(
        CorsMiddleware(InternalErrorMiddleware(failing_app), ["https://shop.example"]),
        observe=lambda *_: None,
        is_draining=bool,
    )
    response = await get(app, Origin="https://shop.example")
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    assert response.headers["x-request-id"] == response.json()["request_id"]


async def test_any_origin_may_be_allowed() -> None:
    app = RequestMiddleware(
        CorsMiddleware(InternalErrorMiddleware(failing_app), ["*"]),
        observe=lambda *_: None,
        is_draining=bool,
    )
    response = await get(app, Origin="https://anyone.example")
    assert response.headers["access-control-allow-origin"] == "*"
