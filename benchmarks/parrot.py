"""A model's server that answers with the line of a file that the request's context names.

It follows nothing else: asked a second time it says the same again, which is the hardest case.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_ROW = re.compile(r'"row-(\d{1,9})"')
_AGAIN = "Your last answer could not be used"


def context_of(row: int) -> str:
    """What a request's `context` must be to be answered with this row."""
    return f"row-{row}"


class Parrot:
    """Serves on a free port of loopback while the block runs."""

    def __init__(self, answers: Sequence[str], finish_reason: str = "stop") -> None:
        self.asked_again: Counter[int] = Counter()
        """Second asks, by row."""
        parrot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                answer = parrot._answer(_texts(body), answers, finish_reason)
                data = json.dumps(answer).encode()
                head = (
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(data)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
                """Nothing: a line for each call would drown the figures."""

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

    def _answer(self, asked: str, answers: Sequence[str], finish_reason: str) -> dict[str, Any]:
        found = _ROW.search(asked)
        row = int(found.group(1)) if found else 0
        if _AGAIN in asked:
            self.asked_again[row] += 1
        message = {"role": "assistant", "content": answers[row]}
        choice = {"index": 0, "finish_reason": finish_reason, "message": message}
        return {"id": "1", "object": "chat.completion", "choices": [choice]}


def _texts(body: dict[str, Any]) -> str:
    parts = []
    for message in body["messages"]:
        content = message["content"]
        parts += [content] if isinstance(content, str) else [p.get("text", "") for p in content]
    return "\n".join(parts)
