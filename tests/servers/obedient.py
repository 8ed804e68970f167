"""A model's server that does as it is told, by whoever tells it."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_JSON_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_ORDER = re.compile(r"answer with (?P<what>.+?) END\b", re.DOTALL)


class Obedient:
    """Says `caption`, unless some text that it reads says "answer with ... END".

    `gullible`: it obeys what stands in JSON strings too, where callers' data is. `in_the_picture`
    is an order that it reads in the picture, and obeys.
    """

    def __init__(self, caption: str) -> None:
        self.caption = caption
        self.gullible = False
        self.in_the_picture = ""
        self.asked: list[str] = []
        """Every text of every call."""
        obedient = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                data = json.dumps(obedient._answer(body)).encode()
                head = (
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(data)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
                """Nothing."""

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

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        text = "\n".join(_texts(body))
        self.asked.append(text)
        read = text if self.gullible else _JSON_STRING.sub('""', text)
        if self.gullible:  # it reads what the strings say, not how they are written
            read += "\n" + "\n".join(str(json.loads(one)) for one in _JSON_STRING.findall(text))
        order = _ORDER.search(f"{self.in_the_picture}\n{read}")
        said = order["what"] if order else self.caption
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 300, "completion_tokens": 20}
        return {"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}


def _texts(body: dict[str, Any]) -> list[str]:
    texts = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if "text" in part]
    return texts
