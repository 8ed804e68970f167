"""The real server in a process of its own, started as an operator starts it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

_TOP = Path(__file__).parents[2]
_START_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 25.0
"""The server promises to exit within 20 s of a SIGTERM."""
_LISTENING = re.compile(r"listening on (http://\S+)")


class Altwright:
    """One server. `settings` are ALTWRIGHT_ variables without the prefix.

    The defaults suit tests: a free port, loopback may be fetched from, a very high rate limit.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, /, **settings: str) -> None:
        """`environment` has variables of other prefixes."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ALTWRIGHT_", "OPENAI_", "OTEL_"))
        }
        self._env = {
            **inherited,
            "ALTWRIGHT_PORT": "0",
            "ALTWRIGHT_RATE_LIMIT": "10000000/minute",
            "ALTWRIGHT_FETCH__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
            **{f"ALTWRIGHT_{name}": value for name, value in settings.items()},
            **(environment or {}),
        }
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._log_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._final_log: bytes | None = None
        self.http = httpx.Client(timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        self.start()
        self._wait_until(self._is_listening, "listen")
        self._wait_until(lambda: self.get("/readyz").status_code == 200, "get ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()
        if self.process.poll() is None:
            # SIGTERM would serve on for DRAIN_NOTICE_S, so that a load balancer can notice.
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._final_log = self._read_log()
        self._log_file.close()

    def start(self) -> None:
        """Start the process, also again after it was killed, and do not wait for anything."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=_TOP,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log_file,
        )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's main process."""
        assert self._process is not None
        return self._process

    @property
    def log(self) -> list[str]:
        """The lines that it has logged so far."""
        log = self._read_log() if self._final_log is None else self._final_log
        return log.decode(errors="replace").splitlines()

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET a path."""
        return self.http.get(self.url + path, **options)

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        """POST a JSON body."""
        return self.http.post(self.url + path, json=body, **options)

    def caption(self, image_url: str, **fields: object) -> httpx.Response:
        """POST /v1/image/caption."""
        return self.post("/v1/image/caption", {"image_url": image_url, **fields})

    def captions(self, image_url: str, **fields: object) -> httpx.Response:
        """POST /v1/image/captions."""
        return self.post("/v1/image/captions", {"image_url": image_url, **fields})

    def warm_up(self, image_url: str) -> None:
        """Wait until a caption of this image succeeds."""
        self._wait_until(lambda: self.caption(image_url).status_code == 200, "caption")

    def terminate(self) -> None:
        """Send SIGTERM, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)

    def _read_log(self) -> bytes:
        # pread leaves the file position alone: the server process writes there.
        descriptor = self._log_file.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _is_listening(self) -> bool:
        found = _LISTENING.search("\n".join(self.log))
        self.url = found.group(1) if found else ""
        return found is not None

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + _START_TIMEOUT_S
        pause_s = 0.02
        while time.monotonic() < end_s and self.process.poll() is None:
            if condition():
                return
            # Asking takes processor time, which the server needs to start.
            time.sleep(pause_s)
            pause_s = min(0.25, pause_s * 1.2)
        self.__exit__(None, None, None)
        raise RuntimeError(f"the server did not {what}:\n" + "\n".join(self.log[-20:]))


@pytest.fixture(scope="session")
def altwright() -> Iterator[Altwright]:
    """A server with the embedded captioner that may fetch from loopback; tests share it.

    A test that stops a server, kills its child processes or fills its queue starts its own.
    """
    # Far longer than any request here takes, so that a busy machine fails none of them.
    with Altwright(REQUEST_TIMEOUT_S="120", IMAGE__DECODE_TIMEOUT_S="30") as server:
        yield server
