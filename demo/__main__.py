"""`python -m demo`: starts a server, captions six images in three styles, and stops the server.

The images are served by a small web server on loopback, so that the demo shows fetching too. The
caller's ALTWRIGHT_ variables are not used: the embedded captioner writes the captions, without a
key.
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
_IMAGES = Path(__file__).parent / "pictures"
_STYLES = ("concise", "seo", "detailed")
_START_TIMEOUT_S = 60.0
"""Enough for a cold disk and a busy machine; two seconds are usual."""
_REQUEST_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
"""The server stops within this time."""
_TEXT_WIDTH = 86


class DemoFailed(Exception):
    """The demo failed. The message is for the user."""


class _ImageHandler(SimpleHTTPRequestHandler):
    """Serves the folder of images and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Do nothing, so that only the demo's own output is visible."""


@contextlib.contextmanager
def _serve_images() -> Iterator[str]:
    """Serve the images on a free port of loopback; the base URL."""
    handler = functools.partial(_ImageHandler, directory=str(_IMAGES))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextlib.contextmanager
def _run_altwright() -> Iterator[str]:
    """Run Altwright on a free port until the end of the block; its base URL."""
    port = _find_free_port()
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith("ALTWRIGHT_")}
    environment |= {
        "PYTHONPATH": str(_ROOT),
        "ALTWRIGHT_HOST": "127.0.0.1",
        "ALTWRIGHT_PORT": str(port),
        "ALTWRIGHT_FETCH__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }
    # An empty working directory, so that no .env file of the caller is read.
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
    give_up_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            log = _last_log_lines(log_path)
            msg = f"The server stopped at once (exit code {process.returncode}). {log}"
            raise DemoFailed(msg)
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{base_url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    log = _last_log_lines(log_path)
    msg = f"The server was not ready within {_START_TIMEOUT_S:.0f} seconds. {log}"
    raise DemoFailed(msg)


def _last_log_lines(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", "replace").splitlines()[-5:]
    return "Its last log lines:\n" + "\n".join(lines) if lines else "It logged nothing."


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the process, and kill it if it does not end in time."""
    process.send_signal(signal.SIGINT)  # SIGTERM would serve on for DRAIN_NOTICE_S
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _request_captions(client: httpx.Client, image_url: str) -> tuple[dict[str, Any], float]:
    """The response body for all styles, and the seconds that it took."""
    began_s = time.perf_counter()
    request = {"image_url": image_url, "styles": list(_STYLES), "max_tokens": 256}
    response = client.post("/v1/image/captions", json=request)
    took_s = time.perf_counter() - began_s
    try:
        body: dict[str, Any] = response.json()
    except json.JSONDecodeError:
        body = {}
    if response.status_code != 200:
        msg = f"The server responded with {response.status_code}: {body.get('detail', 'no reason')}"
        raise DemoFailed(msg)
    return body, took_s


def _print_line(text: str = "") -> None:
    """Print a line and flush it, so that a pipe shows it at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _print_results(name: str, results: list[dict[str, Any]], took_s: float) -> list[str]:
    """Print the captions of one image; returns a sentence for each caption that failed."""
    failures = []
    image = next((result["image"] for result in results if "image" in result), None)
    size = f"{image['width']} x {image['height']}, {image['bytes'] / 1000:.0f} kB" if image else ""
    _print_line(f"{name}  ({size}; {len(results)} captions in {took_s * 1000:.0f} ms)")
    for result in results:
        if "problem" in result:
            text = f"({result['problem']['code']}) {result['problem']['detail']}"
            failures.append(f"{name}, {result['style']}: {text}")
        else:
            text = result["caption"] or '(decorative: write alt="")'
            text += "".join(f" [{warning}]" for warning in result["warnings"])
        first, *rest = textwrap.wrap(text, _TEXT_WIDTH)
        _print_line(f"  {result['style']:<9} {first}")
        for line in rest:
            _print_line(f"  {'':<9} {line}")
    _print_line()
    return failures


def run() -> int:
    """Caption every bundled image; returns the exit code."""
    failures: list[str] = []
    names = sorted(path.name for path in _IMAGES.iterdir())
    with _serve_images() as images_url, _run_altwright() as base_url:
        _print_line(
            f"Altwright runs at {base_url} with the embedded captioner: no key, no network.\n"
        )
        with httpx.Client(base_url=base_url, timeout=_REQUEST_TIMEOUT_S, trust_env=False) as client:
            for name in names:
                body, took_s = _request_captions(client, f"{images_url}/{name}")
                failures += _print_results(name, body["results"], took_s)
    if failures:
        raise DemoFailed("\n".join(failures))
    _print_line(
        "[generic] marks a placeholder, about an image in which nothing was recognised or read.\n"
    )
    _print_line("Done. `make serve` starts the server; README.md says how to choose a model.")
    return 0


def _raise_interrupt(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl+C, so that the `finally` blocks stop the server."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demo. Exit code 0, 1 after a failure, 130 when interrupted."""
    signal.signal(signal.SIGTERM, _raise_interrupt)
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
