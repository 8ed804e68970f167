"""The start says how to use an Ollama that answers on this machine."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.cli.ollama_hint import find_ollama_hint
from testing.ports import free_port


def hint_for(body: bytes, status: int = 200) -> str | None:
    """What is said about a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        hint = find_ollama_hint(("127.0.0.1", server.server_port))
        thread.join()
    return hint


def test_a_model_that_sees_is_named() -> None:
    models = [{"name": "llama3:8b"}, {"name": "qwen3-vl:8b"}]
    hint = hint_for(json.dumps({"models": models}).encode())
    assert hint is not None
    assert "ALTWRIGHT_MODEL=qwen3-vl:8b ALTWRIGHT_MODEL_BASE_URL=http://127.0.0.1:" in hint
    assert "\n" not in hint


def test_without_a_model_that_sees_one_is_pulled_first() -> None:
    hint = hint_for(b'{"models": [{"name": "llama3:8b"}, {"name": "evil\\nvl"}]}')
    assert hint is not None
    assert "`ollama pull qwen2.5vl:7b` and ALTWRIGHT_MODEL=qwen2.5vl:7b" in hint


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[]", b'{"models": 7}', b'{"models": [7]}']
)
def test_another_server_on_that_port_is_not_named(body: bytes) -> None:
    assert hint_for(body) is None


def test_an_error_or_a_closed_port_says_nothing() -> None:
    assert hint_for(b'{"models": []}', 500) is None
    assert find_ollama_hint(("127.0.0.1", free_port())) is None
