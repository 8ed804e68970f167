"""A model's server with moods, and pictures beside it: 429s, resets, long waits, and refusals.

Every call is told by the word `row-N` in the text that came with the picture, and logged: what was
answered well is what a model's owner would send a bill for.
"""

import contextlib
import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from testing.pictures import jpeg
from testing.servers.chat import completion, texts_of

_ROW = re.compile(r"row-(\d+)")
CAPTION = "White ceramic mug with a blue rim on a wooden table."
SEO = "White ceramic mug with a blue rim on a wooden table, a simple cup for coffee or tea at home."
_IS_SEO = re.compile(r"keyword|search", re.IGNORECASE)


@dataclass(slots=True)
class Moods:
    """Shares of calls, 0 to 1, and the rows that always come to the same end."""

    too_many: float = 0.0
    reset: float = 0.0
    slow: float = 0.0
    slow_s: float = 1.0
    took_s: float = 0.0
    retry_after_s: float = 0.2
    refused_every: int = 0
    """Each row whose number this divides is refused."""
    uncertain_every: int = 0
    seed: int = 7
    down: bool = False
    """Every connection is reset."""
    quota_after: int | None = None
    """So many good answers, then 429 with a long Retry-After."""
    quota_s: int = 7_200


@dataclass(slots=True)
class Log:
    """What was asked and answered."""

    calls: int = 0
    good: Counter[int] = field(default_factory=Counter)
    """Row to captions that were sent to the last byte."""
    deeds: Counter[str] = field(default_factory=Counter)


class Moody:
    """Serves on a free port of loopback while the block runs."""

    def __init__(self, moods: Moods | None = None) -> None:
        self.moods = moods or Moods()
        self.log = Log()
        self._chance = random.Random(self.moods.seed)
        self._lock = threading.Lock()
        self._picture = jpeg((64, 48))
        moody = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                moody._send(
                    self, 404 if "missing" in self.path else 200, moody._picture, "image/jpeg"
                )

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                moody._answer(self, body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *told: object) -> None:
                """Callers that are killed hang up in the middle: no traceback for that."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """What MODEL_BASE_URL takes."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def picture(self, name: object) -> str:
        """The URL of a picture; one with `missing` in its name is not there."""
        return f"http://127.0.0.1:{self._server.server_port}/pictures/{name}.jpg"

    def settings(self, **more: str) -> dict[str, str]:
        """For a server whose model this is."""
        return {
            "MODEL": "moody-1",
            "MODEL_BASE_URL": self.base_url,
            "MODEL_API_KEY": "sk-test",
            "MODEL_RETRY_WAIT_MAX_S": "1",
            **more,
        }

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

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        text = "\n".join(texts_of(body))
        found = _ROW.search(text)
        row = int(found[1]) if found else 0
        with self._lock:
            self.log.calls += 1
            deed = self._deed(row)
            self.log.deeds[deed] += 1
            slow = self._chance.random() < self.moods.slow
        if deed == "reset":
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.connection.shutdown(2)
            return
        if deed in ("too_many", "quota"):
            wait = self.moods.quota_s if deed == "quota" else self.moods.retry_after_s
            error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
            self._send(handler, 429, json.dumps(error).encode(), "application/json", wait)
            return
        time.sleep(self.moods.slow_s if slow else self.moods.took_s)
        said = {"refused": "I'm sorry, but I can't help with that.", "uncertain": "UNCERTAIN"}.get(
            deed, SEO if _IS_SEO.search(text) else CAPTION
        )
        usage = {"prompt_tokens": 1_000, "completion_tokens": 20, "total_tokens": 1_020}
        data = json.dumps({**completion(said), "usage": usage}).encode()
        self._send(handler, 200, data, "application/json")
        if deed == "good":
            with self._lock:
                self.log.good[row] += 1

    def _deed(self, row: int) -> str:
        moods, chance = self.moods, self._chance.random()
        if moods.down or chance < moods.reset:
            return "reset"
        if moods.quota_after is not None and self.log.good.total() >= moods.quota_after:
            return "quota"
        if chance < moods.reset + moods.too_many:
            return "too_many"
        if moods.refused_every and row % moods.refused_every == 0:
            return "refused"
        if moods.uncertain_every and row % moods.uncertain_every == 0:
            return "uncertain"
        return "good"

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        data: bytes,
        content_type: str,
        retry_after_s: float | None = None,
    ) -> None:
        after = "" if retry_after_s is None else f"retry-after: {retry_after_s:g}\r\n"
        head = (
            f"HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\n{after}"
            f"content-length: {len(data)}\r\n\r\n"
        )
        handler.wfile.write(head.encode() + data)
