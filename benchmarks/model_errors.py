"""What becomes of real error bodies of models' servers, as a table.

    .venv/bin/python -m benchmarks.model_errors --errors model_errors.jsonl

Each line is a JSON object with `provider`, `kind`, `status`, `body` and `headers`. A server on
loopback says the body, byte for byte, to every call; waits are counted instead of slept.
"""

import argparse
import asyncio
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from app.captioning.captioner import DraftRequest
from app.captioning.openai_compat.captioner import ModelSettings, OpenAICompatCaptioner
from app.captioning.styles.loader import StyleRegistry
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import NormalisedImage, SourceFacts

_REQUEST_S = 30.0
"""The default of REQUEST_TIMEOUT_S."""


class _Complaining:
    """Says the same error to every call, and counts them."""

    def __init__(self) -> None:
        self.row: dict[str, Any] = {}
        self.calls = 0
        complaining = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                complaining.calls += 1
                row = complaining.row
                data = str(row["body"] or "").encode()
                fields = {"content-type": "application/json", "content-length": str(len(data))}
                lines = [f"HTTP/1.1 {row['status']} x"]
                lines += [f"{k}: {v}" for k, v in (fields | (row["headers"] or {})).items()]
                self.wfile.write("\r\n".join([*lines, "", ""]).encode() + data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its own name)
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


async def _row(complaining: _Complaining, row: dict[str, Any]) -> str:
    complaining.row, complaining.calls = row, 0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    url = f"http://127.0.0.1:{complaining.server.server_port}/v1"
    settings = ModelSettings.model_validate({"model": "m", "base_url": url, "api_key": "none"})
    captioner = OpenAICompatCaptioner(settings, sleep=sleep)
    ask = DraftRequest(style=StyleRegistry.load()["concise"], locale="en", max_tokens=64)
    try:
        await captioner.draft(_picture(), ask, Deadline.after(_REQUEST_S))
    except CaptionError as error:
        wait = "" if error.retry_after_s is None else f"{error.retry_after_s:g} s"
        told = f"`{error.code}` {error.status}"
    else:
        told, wait = "a caption", ""
    finally:
        await captioner.aclose()
    waited = f"{slept[0]:.2f} s, {len(slept)} times" if slept else ""
    kind = row["kind"] if row["kind"] != str(row["status"]) else "rate limit"
    return (
        f"| {row['provider']} | {row['status']} {kind} | {wait} | {waited} "
        f"| {complaining.calls} | {told} |"
    )


def _picture() -> NormalisedImage:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(out, "JPEG")
    facts = SourceFacts(64, 64, "jpeg", out.tell(), "0" * 64)
    return NormalisedImage(out.getvalue(), 64, 64, facts)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--errors", type=Path, required=True)
    arguments = parser.parse_args()
    complaining = _Complaining()
    print("| provider | it says | wait it names | waited, first | calls | the caller is told |")
    print("|---|---|---|---|---:|---|")
    for line in arguments.errors.read_text(encoding="utf-8").splitlines():
        print(asyncio.run(_row(complaining, json.loads(line))))
    complaining.server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
