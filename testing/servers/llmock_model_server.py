"""A fake model server made of llmock, a mock server from PyPI, and the calls that it received.

Tests run against real servers otherwise: only the model is faked.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import llmock.middleware
import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply
from llmock.testing import LLMockServer

_JOURNAL_BYTES = 8 * 1024 * 1024
"""Replaces llmock's limit of 256 KiB: an image of 1200 pixels in base64 may be larger."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the model server received."""

    body: dict[str, Any]
    status: int
    started_at_s: float

    @property
    def text(self) -> str:
        """Every text of every message, joined by newlines."""
        return "\n".join(part["text"] for part in self._parts() if part.get("type") == "text")

    @property
    def images(self) -> list[bytes]:
        """Every image that was sent inline, decoded from its data URL."""
        urls = [p["image_url"]["url"] for p in self._parts() if p.get("type") == "image_url"]
        return [base64.b64decode(url.partition(",")[2], validate=True) for url in urls]

    def _parts(self) -> Iterator[dict[str, Any]]:
        for message in self.body["messages"]:
            content = message["content"]
            if isinstance(content, str):
                yield {"type": "text", "text": content}
            else:
                yield from content


class LlmockModelServer:
    """Answers as a test scripts it; each method queues for the next `times` calls (None: all).

    Without a script it answers at once with a text of llmock's.
    """

    def __init__(self, server: LLMockServer) -> None:
        self._server = server
        self.llmock = LLMock(server).reset()
        """For everything else that llmock can do."""

    @property
    def base_url(self) -> str:
        """The value of MODEL_BASE_URL; any key and any model name are accepted."""
        return self._server.base_url("openai")

    def reply(
        self, text: str, *, times: int | None = 1, finish_reason: str | None = None
    ) -> "LlmockModelServer":
        """Answer with `text`; the default of `finish_reason` is `stop`."""
        self.llmock.add(Reply(text=text, finish_reason=finish_reason, times=times))
        return self

    def fail(
        self,
        status: int,
        *,
        retry_after: float | None = None,
        times: int | None = 1,
        code: str | None = None,
        message: str | None = None,
    ) -> "LlmockModelServer":
        """Answer with an error status (400 to 599) and an error body as OpenAI writes it."""
        self.llmock.fail(status, retry_after=retry_after, times=times, code=code, message=message)
        return self

    def delay(self, seconds: float, *, times: int | None = 1) -> "LlmockModelServer":
        """Delay the response."""
        self.llmock.delay(seconds, times=times)
        return self

    def reset(self) -> None:
        """Delete scripts and recorded calls."""
        self.llmock.reset()

    def calls(self) -> list[Call]:
        """The calls in order; waits a moment for those that are still in progress."""
        records = [record for record in self.llmock.requests if record.path.endswith("completions")]
        return [Call(r.body or {"messages": []}, r.status, r.started_at) for r in records]


@pytest.fixture
def start_model_server(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], LlmockModelServer]]:
    """A function that starts another model server at each call, for tests of fallbacks."""
    monkeypatch.setattr(llmock.middleware, "_MAX_JOURNALED_BODY", _JOURNAL_BYTES)
    started: list[LLMockServer] = []

    def start() -> LlmockModelServer:
        server = LLMockServer().start()
        started.append(server)
        return LlmockModelServer(server)

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def model_server(llmock_server: LLMockServer, monkeypatch: pytest.MonkeyPatch) -> LlmockModelServer:
    """A model server without scripts and recorded calls, for this test alone."""
    monkeypatch.setattr(llmock.middleware, "_MAX_JOURNALED_BODY", _JOURNAL_BYTES)
    return LlmockModelServer(llmock_server)
