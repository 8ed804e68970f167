"""Headless Chromium, controlled over the Chrome DevTools Protocol, for tests of web pages."""

import base64
import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from testing.requirements import require_program

_START_TIMEOUT_S = 60.0
_WAIT_TIMEOUT_S = 30.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root, where Chromium's sandbox does not start
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    # Only loopback resolves: a page that needs the internet fails here.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-port=0",
)


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.errors: list[str] = []
        """Errors of the console: uncaught exceptions, violations of the content security policy."""
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """Send one DevTools command and return its result."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=_WAIT_TIMEOUT_S))
            if message.get("id") == number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self._record_error(message)

    def size(self, width: int, height: int, *, dark: bool = False, mobile: bool = False) -> None:
        """Set the viewport in CSS pixels and the preferred colour scheme."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Navigate to `url` and wait until the page has loaded."""
        self.send("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState=='complete'")

    def run(self, script: str) -> Any:
        """Evaluate a JavaScript expression; a promise is awaited."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True, userGesture=True)  # fmt: skip
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise AssertionError(details.get("exception", details).get("description", details))
        return result["result"].get("value")

    def wait(self, condition: str, timeout_s: float = _WAIT_TIMEOUT_S) -> None:
        """Wait until a JavaScript expression is true."""
        end_s = time.monotonic() + timeout_s
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end_s:
                raise AssertionError(f"not true within {timeout_s:.0f} seconds: {condition}")
            time.sleep(0.05)

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """Press one key (`Tab`, `Enter`, ` `, `a`)."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "/": 191}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, text="" if ctrl else text,
                      modifiers=2 if ctrl else 0,
                      windowsVirtualKeyCode=codes.get(key, ord(key[0].upper())))  # fmt: skip

    def type(self, text: str) -> None:
        """Type text into the focused element."""
        self.send("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an `<input type=file>`."""
        self.choose_files(selector, [path])

    def choose_files(self, selector: str, paths: Iterable[Path]) -> None:
        """Choose several files in an `<input type=file multiple>`."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send(
            "DOM.setFileInputFiles", nodeId=node, files=[str(path.resolve()) for path in paths]
        )

    def downloads(self, folder: Path) -> None:
        """Save downloads of the page in `folder`."""
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def html(self) -> str:
        """The current document as HTML."""
        text: str = self.run("document.documentElement.outerHTML")
        return text

    def screenshot(self, path: Path) -> None:
        """Save a PNG of the whole page."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _record_error(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error":
                self.errors.append(f"{entry['source']}: {entry['text']}")


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, program: str, profile: Path) -> None:
        self._profile = profile
        self._connections = contextlib.ExitStack()
        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._address = self._wait_for_address()

    def page(self) -> Page:
        """Open a new tab of 1200 by 900 pixels."""
        response = httpx.put(f"{self._address}/json/new?about:blank", timeout=_WAIT_TIMEOUT_S)
        socket_url = response.raise_for_status().json()["webSocketDebuggerUrl"]
        connection = self._connections.enter_context(connect(socket_url, max_size=None, proxy=None))
        page = Page(connection)
        page.size(1200, 900)
        return page

    def close(self) -> None:
        """Close the browser and its tabs."""
        self._connections.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for_address(self) -> str:
        """Chromium writes the port that it chose into a file of its profile."""
        path = self._profile / "DevToolsActivePort"
        end_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < end_s:
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) > 1:
                return f"http://127.0.0.1:{lines[0]}"
            time.sleep(0.05)
        self._process.kill()
        self._process.wait()
        pytest.fail(f"Chromium did not start within {_START_TIMEOUT_S:.0f} seconds")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of a process; each test opens a page of its own."""
    program = require_program("chromium", "chromium")
    running = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield running
    running.close()
