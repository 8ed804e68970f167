"""Headless Chromium, driven over its DevTools protocol: what a person sees and can do on a page."""

import base64
import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from testing.servers.need import need

_START_S = 30.0
_WAIT_S = 8.0
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
    # Every name but loopback's is answered "not found": a page that wants the internet fails here.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-port=0",
)


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.errors: list[str] = []
        """What the console complained of: uncaught exceptions, refusals of the page's policy."""
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """One DevTools command and its result."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv(timeout=_WAIT_S))
            if message.get("id") == number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def size(self, width: int, height: int, *, dark: bool = False, mobile: bool = False) -> None:
        """The window in CSS pixels, and whether the person prefers dark pages."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go there and wait until it is loaded."""
        self.send("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState=='complete'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True, userGesture=True)  # fmt: skip
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", details).get("description", details))
        return answer["result"].get("value")

    def wait(self, condition: str, timeout_s: float = _WAIT_S) -> None:
        """Until a JavaScript expression is true."""
        until = time.monotonic() + timeout_s
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise AssertionError(f"not true within {timeout_s:.0f} seconds: {condition}")
            time.sleep(0.05)

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """One key, as a keyboard sends it (`Tab`, `Enter`, ` `, `a`)."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "/": 191}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, text="" if ctrl else text,
                      modifiers=2 if ctrl else 0,
                      windowsVirtualKeyCode=codes.get(key, ord(key[0].upper())))  # fmt: skip

    def type(self, text: str) -> None:
        """Text into whatever has the focus."""
        self.send("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Pick a file in an `<input type=file>`."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path.resolve())])

    def downloads(self, folder: Path) -> None:
        """Put what the page lets a person download into `folder`."""
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def html(self) -> str:
        """The document as it stands now."""
        text: str = self.run("document.documentElement.outerHTML")
        return text

    def screenshot(self, path: Path) -> None:
        """A PNG of the whole page, below the fold too."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _note(self, message: dict[str, Any]) -> None:
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
        """A new tab of 1200 by 900 pixels."""
        answer = httpx.put(f"{self._address}/json/new?about:blank", timeout=_WAIT_S)
        socket_url = answer.raise_for_status().json()["webSocketDebuggerUrl"]
        connection = self._connections.enter_context(connect(socket_url, max_size=None, proxy=None))
        page = Page(connection)
        page.size(1200, 900)
        return page

    def close(self) -> None:
        """End the browser and its tabs."""
        self._connections.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for_address(self) -> str:
        """Chromium writes the port that it chose into its profile."""
        path = self._profile / "DevToolsActivePort"
        until = time.monotonic() + _START_S
        while time.monotonic() < until:
            lines = path.read_text().splitlines() if path.exists() else []
            if len(lines) > 1:
                return f"http://127.0.0.1:{lines[0]}"
            time.sleep(0.05)
        self._process.kill()
        self._process.wait()
        pytest.fail(f"Chromium did not start within {_START_S:.0f} seconds")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of a run; each opens a page of its own."""
    program = need("chromium", "chromium")
    running = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield running
    running.close()
