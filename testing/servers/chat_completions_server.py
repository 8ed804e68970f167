"""Base of fake model servers: a chat completions API on loopback whose text a subclass chooses."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from testing.servers.loopback_http_server import LoopbackHTTPServer, QuietHandler


class ChatCompletionsServer(LoopbackHTTPServer, ABC):
    """Serves while the `with` block runs."""

    def __init__(self) -> None:
        self.headers: list[Mapping[str, str]] = []
        """Of each request, with names in lower case."""
        chat = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                chat.headers.append({name.lower(): text for name, text in self.headers.items()})
                body = json.loads(self.read_body())
                status, data = chat._respond(body)
                fields = "".join(f"{name}: {text}\r\n" for name, text in chat._headers().items())
                head = (
                    f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(data)}\r\n{fields}\r\n"
                )
                self.wfile.write(head.encode() + data)

            def do_GET(self) -> None:
                models = [{"id": name} for name in chat._models()]
                data = json.dumps({"object": "list", "data": models}).encode()
                head = f"HTTP/1.1 {200 if models else 404} x\r\ncontent-length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data)

        super().__init__(Handler)

    @property
    def base_url(self) -> str:
        """The value of MODEL_BASE_URL."""
        return f"{self.origin}/v1"

    def _respond(self, body: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body of the response; called in a new thread each time."""
        return 200, json.dumps(self._complete(body)).encode()

    def _headers(self) -> Mapping[str, str]:
        """Further headers of every response."""
        return {}

    def _models(self) -> Sequence[str]:
        """The names in its list of models; none where it has no list."""
        return ()

    @abstractmethod
    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The response body to a request body; called in a new thread each time."""


def chat_completion(
    content: object, *, usage: Mapping[str, int] | None = None, **choice: Any
) -> dict[str, Any]:
    """A response body with one choice. `choice` replaces or adds members of that choice."""
    body: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content},
                **choice,
            }
        ],
    }
    return body if usage is None else {**body, "usage": dict(usage)}


def message_texts(body: dict[str, Any]) -> list[str]:
    """Every text of every message of a request body, without images."""
    texts = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if "text" in part]
    return texts
