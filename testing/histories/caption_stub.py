"""A stub of the Altwright API that logs what is asked, and can kill the process that asks."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from testing.histories.command_result import Pause
from testing.histories.machine_text import make_text, slug_of, verdict_of

STYLES = ("concise", "seo")
_FINAL = {"uncertain": "caption_uncertain", "refused": "caption_refused"}
_STATUS = {"overloaded": 503, "model_unavailable": 503, "internal": 500}


@dataclass(frozen=True, slots=True)
class PaidText:
    """One text, or one final refusal, that the stub answered with: it costs."""

    command: int
    """Number of the command that asked."""
    image: str
    context: str
    tags: str
    style: str
    locale: str


@dataclass(slots=True)
class SignalAt:
    """Send a signal to a process at its `request`th caption request."""

    pid: int
    request: int
    signal: int
    after_answer: bool
    seen: int = 0


class CaptionStub:
    """Serves on loopback in a thread. `command` numbers what is logged."""

    def __init__(self) -> None:
        self.command = 0
        self.paid: list[PaidText] = []
        self.asked: list[tuple[int, str, str]] = []
        """Command, image and context of every caption request."""
        self.signal_at: SignalAt | None = None
        self._pause: Pause | None = None
        self._pause_seen = 0
        self._pause_lock = threading.Lock()
        self.is_down = False
        self._serial = 0
        self._failed_once: set[str] = set()
        self._lock = threading.Lock()
        stub = self

        class Handler(_Handler):
            owner = stub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self) -> None:
        """Forget everything, for another history."""
        self.command, self._serial, self.is_down, self.signal_at = 0, 0, False, None
        self.paid, self.asked, self._failed_once = [], [], set()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def caption(self, body: dict[str, Any], *, is_single: bool) -> tuple[int, dict[str, Any]]:
        """Status and body of the response to a caption request."""
        with self._lock:
            self._serial += 1
            serial, command = self._serial, self.command
            self.asked.append((command, str(body["image_url"]), str(body.get("context", ""))))
        slug = slug_of(str(body["image_url"]))
        verdict = verdict_of(slug)
        if self.is_down or (verdict == "flaky" and self._first_time(slug)):
            return _problem("overloaded")
        if verdict == "gone":
            return _problem("image_not_found")
        if is_single:
            return self._one(body, body.get("style", "concise"), body.get("locale", "en"), serial)
        results = []
        for style in body["styles"]:
            for locale in body.get("locales", ["en"]):
                status, result = self._one(body, style, locale, serial)
                if status == 200:
                    results.append(result)
                else:
                    results.append({"style": style, "locale": locale, "problem": result})
        return 200, {"results": results}

    def _one(
        self, body: dict[str, Any], style: str, locale: str, serial: int
    ) -> tuple[int, dict[str, Any]]:
        slug = slug_of(str(body["image_url"]))
        verdict = verdict_of(slug)
        if verdict == "half" and locale == "de" and self._first_time(f"{slug} {style}"):
            return _problem("model_unavailable")
        paid = PaidText(
            self.command, str(body["image_url"]), str(body.get("context", "")),
            json.dumps(body.get("keywords")), style, locale,
        )  # fmt: skip
        with self._lock:
            self.paid.append(paid)
        if verdict in _FINAL:
            return _problem(_FINAL[verdict])
        if verdict == "nogerman" and locale == "de":
            return _problem("caption_uncertain")
        if verdict == "noenglish" and locale == "en":
            return _problem("caption_rejected")
        is_decorative = verdict == "decorative" or (verdict == "decoen" and locale == "en")
        context = str(body.get("context", ""))
        text = "" if is_decorative else make_text(slug, style, locale, context, serial)
        return 200, _caption(text, style, locale, is_decorative=is_decorative)

    def _first_time(self, name: str) -> bool:
        with self._lock:
            is_first = name not in self._failed_once
            self._failed_once.add(name)
            return is_first

    def set_pause(self, pause: Pause | None) -> None:
        """What happens at one of the next caption requests; waits for what happens now."""
        with self._pause_lock:
            self._pause, self._pause_seen = pause, 0

    def take_pause(self) -> None:
        """At a caption request: do what is to be done at it."""
        with self._pause_lock:
            self._pause_seen += 1
            if self._pause is not None and self._pause_seen == self._pause.number:
                self._pause.do(self._pause)

    @contextlib.contextmanager
    def signalling(self) -> Iterator[None]:
        """Around a caption request: kill the process that asked, if it is its turn."""
        at = self.signal_at
        is_turn = False
        if at is not None:
            with self._lock:
                at.seen += 1
                is_turn = at.seen == at.request
            if is_turn and not at.after_answer:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(at.pid, at.signal)
        yield
        if at is not None and is_turn and at.after_answer:
            with contextlib.suppress(ProcessLookupError):
                os.kill(at.pid, at.signal)


class _Handler(BaseHTTPRequestHandler):
    owner: CaptionStub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """GET /v1/styles."""
        self._send(200, _STYLES)

    def do_POST(self) -> None:
        """POST /v1/image/caption, /v1/image/captions or /v1/caption/check."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not content:  # the process that asked was killed meanwhile
            self.close_connection = True
            return
        body = json.loads(content)
        if self.path.endswith("/check"):
            self._send(200, {"ok": True, "caption": body["caption"], "hard": [], "soft": []})
            return
        self.owner.take_pause()
        with self.owner.signalling():
            is_single = self.path.endswith("/caption")
            self._send(*self.owner.caption(body, is_single=is_single))

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        kind = "application/json" if status == 200 else "application/problem+json"
        head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        with contextlib.suppress(OSError):  # the process that asked was killed
            self.wfile.write(head.encode() + b"\r\n" + content)

    def handle(self) -> None:
        """Serve one connection; a killed peer resets it."""
        with contextlib.suppress(OSError):
            super().handle()


def _problem(code: str) -> tuple[int, dict[str, Any]]:
    status = _STATUS.get(code, 422)
    return status, {
        "type": f"/docs#problem-{code}", "title": code, "status": status, "detail": f"{code}.",
        "code": code, "retryable": status >= 500, "request_id": "none",
        "draft": "Picture of a draft" if code == "caption_rejected" else None,
    }  # fmt: skip


def _caption(text: str, style: str, locale: str, *, is_decorative: bool) -> dict[str, Any]:
    return {
        "caption": text, "style": style, "locale": locale, "decorative": is_decorative,
        "truncated": False, "warnings": [], "model": "stub-1", "metadata": {},
        "usage": {"input_tokens": 1000, "output_tokens": 20},
        "image": {"width": 64, "height": 48, "format": "jpeg", "bytes": 900, "sha256": "",
                  "sent_width": 64, "sent_height": 48},
    }  # fmt: skip


_STYLES = {"styles": [
    {
        "name": name, "purpose": "alt text", "uses_keywords": False, "rules": [],
        "limits": {"min_chars": 1, "aim_chars": 125, "max_chars": 160, "warn_over_chars": 125,
                   "min_sentences": 1, "max_sentences": 2, "max_word_repeats": 3},
    }
    for name in STYLES
]}  # fmt: skip
