"""A fake model server that fails at random: 429s, connection resets, slow and refused answers.

It also serves the images that its captions are for. Each call is identified by the word `row-N` in
the prompt and counted, so that a test can see which rows a model's owner would bill, and how often.
"""

import contextlib
import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from testing.images import jpeg
from testing.servers.chat_completions_server import chat_completion, message_texts
from testing.servers.loopback_http_server import LoopbackHTTPServer, QuietHandler

_ROW = re.compile(r"row-(\d+)")
CAPTION = "White ceramic mug with a blue rim on a wooden table."
NUMBERED_CAPTION = "White ceramic mug {} with a blue rim on a wooden table."
SEO = "White ceramic mug with a blue rim on a wooden table, a simple cup for coffee or tea at home."
_IS_SEO = re.compile(r"keyword|search", re.IGNORECASE)
_TEXTS = {"refused": "I'm sorry, but I can't help with that.", "uncertain": "UNCERTAIN"}
_USAGE = {"prompt_tokens": 1_000, "completion_tokens": 20, "total_tokens": 1_020}


@dataclass(slots=True)
class Behaviour:
    """How calls end: probabilities from 0 to 1, and rows that always end the same way."""

    rate_limit_probability: float = 0.0
    """Of a 429 with `retry_after_s`."""
    retry_after_s: float = 0.2
    reset_probability: float = 0.0
    """Of a connection reset without a response."""
    response_s: float = 0.0
    """Seconds that a call takes."""
    slow_probability: float = 0.0
    slow_response_s: float = 1.0
    """Seconds that a slow call takes."""
    refused_every: int = 0
    """Rows whose number is a multiple of this are refused; 0: none."""
    uncertain_every: int = 0
    """Rows whose number is a multiple of this are answered UNCERTAIN; 0: none."""
    has_numbered_captions: bool = False
    """Each caption names its row (NUMBERED_CAPTION), so that a misplaced one is found."""
    has_usage: bool = True
    """Whether it tells the tokens."""
    down: bool = False
    """Every connection is reset."""
    quota_after: int | None = None
    """After this many captions every call gets a 429 with a long Retry-After."""
    quota_retry_after_s: int = 7_200
    seed: int = 7


@dataclass(slots=True)
class CallLog:
    """What was asked and how it ended."""

    calls: int = 0
    captioned: Counter[int] = field(default_factory=Counter)
    """By row: captions that were sent to the last byte."""
    outcomes: Counter[str] = field(default_factory=Counter)


class FlakyModelServer(LoopbackHTTPServer):
    """Serves while the `with` block runs."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.log = CallLog()
        self._random = random.Random(self.behaviour.seed)
        self._lock = threading.Lock()
        self._image = jpeg((64, 48))
        flaky = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                status = 404 if "missing" in self.path else 200
                flaky._send(self, status, flaky._image, "image/jpeg")

            def do_POST(self) -> None:
                body = json.loads(self.read_body())
                flaky._respond(self, body)

        super().__init__(Handler)

    @property
    def base_url(self) -> str:
        """The value of MODEL_BASE_URL."""
        return f"{self.origin}/v1"

    def image_url(self, name: object) -> str:
        """The URL of an image; a name that contains `missing` is a 404."""
        return f"{self.origin}/pictures/{name}.jpg"

    def altwright_settings(self, **more: str) -> dict[str, str]:
        """Settings of an Altwright server that uses this model server."""
        return {
            "MODEL": "flaky-1",
            "MODEL_BASE_URL": self.base_url,
            "MODEL_API_KEY": "sk-test",
            "MODEL_RETRY_WAIT_MAX_S": "1",
            **more,
        }

    def _respond(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        prompt = "\n".join(message_texts(body))
        found = _ROW.search(prompt)
        row = int(found[1]) if found else 0
        behaviour = self.behaviour
        with self._lock:
            self.log.calls += 1
            outcome = self._choose_outcome(row)
            self.log.outcomes[outcome] += 1
            is_slow = self._random.random() < behaviour.slow_probability
        if outcome == "reset":
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.connection.shutdown(2)
            return
        if outcome in ("rate_limited", "quota"):
            is_quota = outcome == "quota"
            wait_s = behaviour.quota_retry_after_s if is_quota else behaviour.retry_after_s
            error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
            self._send(handler, 429, json.dumps(error).encode(), "application/json", wait_s)
            return
        time.sleep(behaviour.slow_response_s if is_slow else behaviour.response_s)
        caption = SEO if _IS_SEO.search(prompt) else CAPTION
        if behaviour.has_numbered_captions:
            caption = NUMBERED_CAPTION.format(row)
        usage = _USAGE if behaviour.has_usage else None
        completion = chat_completion(_TEXTS.get(outcome, caption), usage=usage)
        self._send(handler, 200, json.dumps(completion).encode(), "application/json")
        if outcome == "captioned":
            with self._lock:
                self.log.captioned[row] += 1

    def _choose_outcome(self, row: int) -> str:
        behaviour, chance = self.behaviour, self._random.random()
        if behaviour.down or chance < behaviour.reset_probability:
            return "reset"
        if (
            behaviour.quota_after is not None
            and self.log.captioned.total() >= behaviour.quota_after
        ):
            return "quota"
        if chance < behaviour.reset_probability + behaviour.rate_limit_probability:
            return "rate_limited"
        if behaviour.refused_every and row % behaviour.refused_every == 0:
            return "refused"
        if behaviour.uncertain_every and row % behaviour.uncertain_every == 0:
            return "uncertain"
        return "captioned"

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        data: bytes,
        content_type: str,
        retry_after_s: float | None = None,
    ) -> None:
        retry_after = "" if retry_after_s is None else f"retry-after: {retry_after_s:g}\r\n"
        head = (
            f"HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\n{retry_after}"
            f"content-length: {len(data)}\r\n\r\n"
        )
        handler.wfile.write(head.encode() + data)
