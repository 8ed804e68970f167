"""`python -m demo`: a server of its own, three pictures, three styles, then both go away.

The pictures are served by a small web server on loopback, so that fetching is part of what is
shown. No variable of the caller's is handed on: the embedded captioner answers, with no key.
"""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

_ROOT = Path(__file__).parents[1]
_PICTURES = Path(__file__).parent / "pictures"
_STYLES = ("concise", "seo", "detailed")
_START_S = 60.0
"""A cold disk and a busy machine included; two seconds are usual."""
_ANSWER_S = 60.0
_STOP_S = 20.0
"""The server promises to be gone by then."""


class DemoFailed(Exception):
    """One sentence for whoever ran the demo."""


class _Pictures(SimpleHTTPRequestHandler):
    """Serves the folder of pictures and keeps quiet about it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing: the demo's own lines are what is to be read."""


@contextlib.contextmanager
def _origin() -> Iterator[str]:
    """The address of a web server on a free port of loopback that has the pictures."""
    handler = functools.partial(_Pictures, directory=str(_PICTURES))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def _altwright() -> Iterator[str]:
    """The address of a server on a free port, started for this run and stopped after it."""
    port = _free_port()
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith("ALTWRIGHT_")}
    environment |= {
        "PYTHONPATH": str(_ROOT),
        "ALTWRIGHT_HOST": "127.0.0.1",
        "ALTWRIGHT_PORT": str(port),
        "ALTWRIGHT_FETCH__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }
    # An empty folder to start in: a .env file of the caller's is not read either.
    with tempfile.TemporaryDirectory(prefix="altwright-demo-") as folder:
        log_path = Path(folder) / "server.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            base_url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, base_url, log_path)
            yield base_url
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], base_url: str, log_path: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            msg = f"The server stopped at once (exit code {process.returncode}). {_said(log_path)}"
            raise DemoFailed(msg)
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{base_url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    msg = f"The server was not ready within {_START_S:.0f} seconds. {_said(log_path)}"
    raise DemoFailed(msg)


def _said(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", "replace").splitlines()[-5:]
    return "It said:\n" + "\n".join(lines) if lines else "It said nothing."


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and make it where it does not."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _captions(client: httpx.Client, image_url: str) -> tuple[dict[str, Any], float]:
    """The answer for all styles, and how many seconds it took."""
    started = time.perf_counter()
    body = {"image_url": image_url, "styles": list(_STYLES), "max_tokens": 256}
    response = client.post("/v1/image/captions", json=body)
    took_s = time.perf_counter() - started
    try:
        answer: dict[str, Any] = response.json()
    except json.JSONDecodeError:
        answer = {}
    if response.status_code != 200:
        msg = f"The server answered {response.status_code}: {answer.get('detail', 'no reason')}"
        raise DemoFailed(msg)
    return answer, took_s


def _say(text: str = "") -> None:
    """One line at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _show(name: str, answer: dict[str, Any], took_s: float) -> list[str]:
    """Print what came back for one picture; returns the failures, a sentence each."""
    failures = []
    image = next((result["image"] for result in answer["results"] if "image" in result), None)
    size = f"{image['width']} x {image['height']}, {image['bytes'] / 1000:.0f} kB" if image else ""
    _say(f"{name}  ({size}; {len(answer['results'])} captions in {took_s * 1000:.0f} ms)")
    for result in answer["results"]:
        if "problem" in result:
            text = f"({result['problem']['code']}) {result['problem']['detail']}"
            failures.append(f"{name}, {result['style']}: {text}")
        else:
            text = result["caption"] or '(decorative: write alt="")'
            text += "".join(f" [{warning}]" for warning in result["warnings"])
        first, *rest = textwrap.wrap(text, 86)
        _say(f"  {result['style']:<9} {first}")
        for line in rest:
            _say(f"  {'':<9} {line}")
    _say()
    return failures


def run() -> int:
    """Caption every bundled picture; returns the exit code."""
    failures: list[str] = []
    pictures = sorted(path.name for path in _PICTURES.iterdir())
    with _origin() as origin, _altwright() as base_url:
        _say(f"Altwright runs at {base_url} with the embedded captioner: no key, no network.\n")
        with httpx.Client(base_url=base_url, timeout=_ANSWER_S, trust_env=False) as client:
            for name in pictures:
                answer, took_s = _captions(client, f"{origin}/{name}")
                failures += _show(name, answer, took_s)
    if failures:
        raise DemoFailed("\n".join(failures))
    _say("Done. `make serve` starts it for good; README.md says how to choose a real model.")
    return 0


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the run like Ctrl-C: through the `finally` that stops the server."""
    raise KeyboardInterrupt


def main() -> int:
    """The exit code: 0, 1 after a failure told in a sentence, 130 when interrupted."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return run()
    except (DemoFailed, httpx.HTTPError, OSError) as error:
        sys.stderr.write(f"demo: {str(error) or type(error).__name__}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("demo: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
