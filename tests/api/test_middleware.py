"""Around every request: an ID, safe headers, and a bug that says nothing of the inside."""

import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.api.middleware import RequestMiddleware

SECRET = "postgres://u:hunter2@10.0.0.7/db and /srv/app/secret.py"


async def ask(app: object, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as http:
        return await http.get("/", headers=headers)


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(SECRET)


async def test_a_bug_is_logged_and_answered_without_a_word_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[tuple[str, str]] = []
    app = RequestMiddleware(
        broken, observe=lambda route, code, _s: seen.append((route, code)), is_draining=bool
    )
    with caplog.at_level(logging.ERROR):
        answer = await ask(app, **{"X-Request-ID": "r-1"})
    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (500, "internal", True)
    assert body["request_id"] == answer.headers["x-request-id"] == "r-1"
    assert "hunter2" not in answer.text
    assert "secret.py" not in answer.text
    assert seen == [("(none)", "internal")]
    assert caplog.records[0].exc_info is not None


async def test_a_draining_server_lets_its_connections_go() -> None:
    app = RequestMiddleware(broken, observe=lambda *_: None, is_draining=lambda: True)
    assert (await ask(app)).headers["connection"] == "close"
