"""The real server in a process of its own, as an operator starts it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

_TOP = Path(__file__).parents[2]
_START_S = 30.0
_LISTENING = re.compile(r"listening on (http://\S+)")


class Altwright:
    """One server; `settings` are ALTWRIGHT_ variables without the prefix."""

    def __init__(self, **settings: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALTWRIGHT_", "OPENAI_"))}
        self._env = {
            **kept,
            "ALTWRIGHT_PORT": "0",
            "ALTWRIGHT_RATE_LIMIT": "100000/minute",
            "ALTWRIGHT_FETCH__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            **{f"ALTWRIGHT_{name}": value for name, value in settings.items()},
        }
        self.url = ""
        self.log: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self.http = httpx.Client(timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=_TOP,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read_log, daemon=True).start()
        self._until(lambda: bool(self.url), "listen")
        self._until(lambda: self.get("/readyz").status_code == 200, "get ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(25)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    @property
    def process(self) -> subprocess.Popen[str]:
        """The server's main process."""
        assert self._process is not None
        return self._process

    def get(self, path: str, **more: object) -> httpx.Response:
        """GET a path."""
        return self.http.get(self.url + path, **more)  # type: ignore[arg-type]

    def caption(self, image_url: str, **fields: object) -> httpx.Response:
        """POST /v1/image/caption."""
        return self.post("/v1/image/caption", {"image_url": image_url, **fields})

    def captions(self, image_url: str, **fields: object) -> httpx.Response:
        """POST /v1/image/captions."""
        return self.post("/v1/image/captions", {"image_url": image_url, **fields})

    def warm_up(self, image_url: str) -> None:
        """Ask until it captions: the first ones wait for the models of the text reader."""
        self._until(lambda: self.caption(image_url).status_code == 200, "caption")

    def post(self, path: str, body: object, **more: object) -> httpx.Response:
        """POST a JSON body."""
        return self.http.post(self.url + path, json=body, **more)  # type: ignore[arg-type]

    def terminate(self) -> None:
        """Ask it to stop, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):  # closed at the end of the test
            for line in self.process.stderr:
                self.log.append(line.rstrip("\n"))
                if not self.url and (found := _LISTENING.search(line)):
                    self.url = found.group(1)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            if condition():
                return
            time.sleep(0.02)
        self.process.kill()
        pytest.fail(f"the server did not {what}:\n" + "\n".join(self.log[-20:]))


@pytest.fixture(scope="module")
def altwright() -> Iterator[Altwright]:
    """A server with the embedded captioner that may fetch from loopback."""
    with Altwright() as server:
        yield server
