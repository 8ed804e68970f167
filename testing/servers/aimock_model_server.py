"""A fake model server made of aimock, a mock server from npm (it needs Node).

It can send what llmock cannot: content filters, reasoning, a given usage, broken JSON and broken
connections.
"""

import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from testing.requirements import require_node_package, require_program

_START_S = 15.0


class AimockModelServer:
    """Answers with fixtures in the order in which they were added."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=5, trust_env=False)
        self.base_url = f"{url}/v1"
        """The value of MODEL_BASE_URL; any key is accepted."""

    def respond(self, response: dict[str, Any], **options: Any) -> "AimockModelServer":
        """Queue one response: `content` with `finishReason`, `usage`, `reasoning`, or `error`."""
        return self._add({"match": {"sequenceIndex": 0}, "response": response, **options})

    def respond_always(self, response: dict[str, Any], **options: Any) -> "AimockModelServer":
        """Respond with this to every call after the queued ones."""
        return self._add({"match": {}, "response": response, **options})

    def _add(self, fixture: dict[str, Any]) -> "AimockModelServer":
        response = self._http.post("/__aimock/fixtures", json={"fixtures": [fixture]})
        assert response.status_code == 200, response.text
        return self

    def calls(self) -> list[dict[str, Any]]:
        """The bodies of the chat completion requests, in order."""
        journal = self._http.get("/__aimock/journal").json()
        return [entry["body"] for entry in journal if "completions" in entry["path"]]

    def reset(self) -> None:
        """Delete scripts and recorded calls."""
        self._http.post("/__aimock/reset").raise_for_status()

    def close(self) -> None:
        """Close the connection to its control API."""
        self._http.close()


@pytest.fixture(scope="session")
def aimock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AimockModelServer]:
    """One aimock process for the session."""
    node = require_program("node", "nodejs")
    cli = require_node_package("@copilotkit/aimock") / "dist/cli.js"
    empty = tmp_path_factory.mktemp("aimock") / "empty.json"
    empty.write_text('{"fixtures": [{"match": {"userMessage": "\\u0000"}, "response": '
                     '{"content": "never"}}]}', encoding="utf-8")  # fmt: skip
    process = subprocess.Popen(
        [node, str(cli), "--port", "0", "--fixtures", str(empty), "--log-level", "info"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        server = AimockModelServer(_url(process))
        yield server
        server.close()
    finally:
        process.terminate()
        process.wait(_START_S)
        assert process.stdout is not None
        process.stdout.close()


def _url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "listening on " in line:
            return line.rpartition("listening on ")[2].strip()
    pytest.fail("aimock exited before it listened")


@pytest.fixture
def aimock(aimock_server: AimockModelServer) -> AimockModelServer:
    """aimock without scripts and recorded calls, for this test alone."""
    aimock_server.reset()
    return aimock_server
