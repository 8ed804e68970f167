"""An OpenAI-compatible model server that nobody here wrote (llmock), and what it was asked.

The one place where a test plays instead of working: the model's end of the wire.
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
"""llmock forgets bodies over 256 KiB; a picture of 1200 pixels, in base64, may be larger."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the model's server received."""

    body: dict[str, Any]
    status: int
    started_at_s: float

    @property
    def text(self) -> str:
        """Every text of every message, joined by newlines."""
        return "\n".join(part["text"] for part in self._parts() if part.get("type") == "text")

    @property
    def images(self) -> list[bytes]:
        """Every picture that was sent inline, decoded from its data URL."""
        urls = [p["image_url"]["url"] for p in self._parts() if p.get("type") == "image_url"]
        return [base64.b64decode(url.partition(",")[2], validate=True) for url in urls]

    def _parts(self) -> Iterator[dict[str, Any]]:
        for message in self.body["messages"]:
            content = message["content"]
            if isinstance(content, str):
                yield {"type": "text", "text": content}
            else:
                yield from content


class ModelServer:
    """Says what a test scripts; every method queues for the next `times` calls (None: for all).

    Without a script it answers some text of its own at once.
    """

    def __init__(self, server: LLMockServer) -> None:
        self._server = server
        self.llmock = LLMock(server).reset()
        """Everything else that llmock can do."""

    @property
    def base_url(self) -> str:
        """What MODEL_BASE_URL takes; any key and any model's name will do."""
        return self._server.base_url("openai")

    def reply(
        self, text: str, *, times: int | None = 1, finish_reason: str | None = None
    ) -> "ModelServer":
        """Answer with `text`; `finish_reason` is `stop` where none is named."""
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
    ) -> "ModelServer":
        """Answer with an error of 400 to 599 in the API's own form."""
        self.llmock.fail(status, retry_after=retry_after, times=times, code=code, message=message)
        return self

    def delay(self, seconds: float, *, times: int | None = 1) -> "ModelServer":
        """Hold the answer back."""
        self.llmock.delay(seconds, times=times)
        return self

    def reset(self) -> None:
        """Forget scripts and calls."""
        self.llmock.reset()

    def calls(self) -> list[Call]:
        """What it was asked, in order; waits a moment for calls that are still in work."""
        records = [record for record in self.llmock.requests if record.path.endswith("completions")]
        return [Call(r.body or {"messages": []}, r.status, r.started_at) for r in records]


@pytest.fixture
def start_model_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], ModelServer]]:
    """Starts one more model server at each call, for tests of fallbacks."""
    monkeypatch.setattr(llmock.middleware, "_MAX_JOURNALED_BODY", _JOURNAL_BYTES)
    started: list[LLMockServer] = []

    def start() -> ModelServer:
        server = LLMockServer().start()
        started.append(server)
        return ModelServer(server)

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def model_server(llmock_server: LLMockServer, monkeypatch: pytest.MonkeyPatch) -> ModelServer:
    """A model's server without a script or a memory, for this test alone."""
    monkeypatch.setattr(llmock.middleware, "_MAX_JOURNALED_BODY", _JOURNAL_BYTES)
    return ModelServer(llmock_server)
