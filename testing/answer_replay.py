"""Replays raw answers of models through the running API and checks the captions that come out."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from testing.images import data_url, jpeg
from testing.oracle import caption_rules, npm_alt_text, plain_caption
from testing.servers.replay_model_server import context_of

STYLES = ("concise", "seo", "detailed")
_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What one answer became in one style: a caption or a problem."""

    row: int
    style: str
    outcome: str
    """`caption`, `decorative`, or the problem's code."""
    caption: str = ""
    truncated: bool = False
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """The hard rules that a rejected draft broke."""


async def replay(
    url: str, rows: Sequence[int], *, locale: str = "en", max_tokens: int = 256
) -> list[ReplayResult]:
    """Request every row in every style through POST /v1/image/captions.

    The model behind `url` must be a `ReplayModelServer`: it answers with the row of the context.
    """
    image_url = data_url(jpeg((256, 256)))
    waiting = list(reversed(rows))
    results: list[ReplayResult] = []
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:

        async def worker() -> None:
            while waiting:
                row = waiting.pop()
                body = {
                    "image_url": image_url,
                    "styles": STYLES,
                    "locale": locale,
                    "max_tokens": max_tokens,
                    "context": context_of(row),
                }
                response = await http.post(f"{url}/v1/image/captions", json=body)
                response.raise_for_status()
                results.extend(_result(row, one) for one in response.json()["results"])

        await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
    return sorted(results, key=lambda one: (one.row, STYLES.index(one.style)))


def _result(row: int, body: dict[str, Any]) -> ReplayResult:
    problem = body.get("problem")
    if problem is not None:
        reasons = tuple(reason["code"] for reason in problem.get("reasons", ()))
        return ReplayResult(row, body["style"], problem["code"], reasons=reasons)
    return ReplayResult(
        row,
        body["style"],
        "decorative" if body["decorative"] else "caption",
        body["caption"],
        body["truncated"],
        tuple(body["warnings"]),
    )


def find_violations(
    results: Sequence[ReplayResult], locale: str = "en"
) -> list[tuple[ReplayResult, list[str]]]:
    """The captions that break a rule according to `testing.oracle`, with the rules.

    The check from npm is left out where Node or the package is not installed.
    """
    captions = [one for one in results if one.outcome == "caption"]
    node = shutil.which("node")
    from_npm = (
        npm_alt_text.find_violations(node, [one.caption for one in captions])
        if node is not None and npm_alt_text.is_installed() and locale.startswith("en")
        else [[] for _ in captions]
    )
    found = []
    for one, other in zip(captions, from_npm, strict=True):
        ours = caption_rules.find_violations(
            one.caption, one.style, locale, is_truncated=one.truncated
        )
        plain = plain_caption.find_faults(
            one.caption, one.style, locale, is_truncated=one.truncated
        )
        if ours or plain or other:
            found.append((one, [*sorted(ours), *plain, *other]))
    return found
