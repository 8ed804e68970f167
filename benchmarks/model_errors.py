"""What the captioner does with real error bodies of model servers, as a table.

    .venv/bin/python -m benchmarks.model_errors --errors model_errors.jsonl

Each line is a JSON object with `provider`, `kind`, `status`, `body` and `headers`. A server on
loopback sends the body unchanged to every call. Waits are recorded instead of waited out.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from app.captioning.captioner import DraftRequest
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.styles.loader import load_styles
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import NormalisedImage, SourceFacts
from testing.images import jpeg
from testing.servers.raw_model_server import raw_model_server

_REQUEST_TIMEOUT_S = 30.0
"""The default of REQUEST_TIMEOUT_S."""


async def _table_row(error_row: dict[str, Any]) -> str:
    waits_s: list[float] = []

    async def sleep(seconds: float) -> None:
        waits_s.append(seconds)

    async with raw_model_server() as model:
        headers = {k.replace("-", "_"): v for k, v in (error_row["headers"] or {}).items()}
        model.respond(str(error_row["body"] or ""), error_row["status"], **headers)
        settings = ModelSettings(model="m", base_url=model.base_url)
        captioner = OpenAICompatCaptioner(settings, sleep=sleep)
        outcome, stated_wait = await _outcome(captioner)
        await captioner.aclose()
        calls = len(model.requests)
    waits = f"{waits_s[0]:.2f} s, {len(waits_s)} times" if waits_s else ""
    kind, status = error_row["kind"], error_row["status"]
    response = f"{status} {kind if kind != str(status) else 'rate limit'}"
    return (
        f"| {error_row['provider']} | {response} | {stated_wait} | {waits} | {calls} | {outcome} |"
    )


async def _outcome(captioner: OpenAICompatCaptioner) -> tuple[str, str]:
    """What the caller gets, and the wait in it."""
    request = DraftRequest(style=load_styles()["concise"], locale="en", max_tokens=64)
    try:
        await captioner.draft(_image(), request, Deadline.after(_REQUEST_TIMEOUT_S))
    except CaptionError as error:
        wait = "" if error.retry_after_s is None else f"{error.retry_after_s:g} s"
        return f"`{error.code}` {error.status}", wait
    return "a caption", ""


def _image() -> NormalisedImage:
    data = jpeg((64, 64))
    return NormalisedImage(data, 64, 64, SourceFacts(64, 64, "jpeg", len(data), "0" * 64))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--errors", type=Path, required=True)
    arguments = parser.parse_args()
    print(
        "| provider | response | stated wait | first wait, number of waits | calls "
        "| the caller gets |"
    )
    print("|---|---|---|---|---:|---|")
    for line in arguments.errors.read_text(encoding="utf-8").splitlines():
        print(asyncio.run(_table_row(json.loads(line))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
