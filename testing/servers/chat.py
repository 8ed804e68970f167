"""A chat server of an OpenAI-compatible API on loopback, whose answers are a function's."""

import json
import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class ChatServer(ABC):
    """Serves on a free port of loopback while the block runs; `_answer` says what."""

    def __init__(self) -> None:
        chat = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                data = json.dumps(chat._answer(body)).encode()
                head = (
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(data)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
                """Nothing: a line for each call would drown what is worth reading."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """What MODEL_BASE_URL takes."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @abstractmethod
    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body of the answer to a request's; called from a thread of its own each time."""


def completion(text: str, finish_reason: str = "stop") -> dict[str, Any]:
    """An answer with one choice that says `text`."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return {"id": "1", "object": "chat.completion", "choices": [choice]}


def texts_of(body: dict[str, Any]) -> list[str]:
    """Every text of every message of a request, pictures left out."""
    texts = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if "text" in part]
    return texts
