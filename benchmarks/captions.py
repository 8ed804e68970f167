"""What becomes of real answers of models: sent through the running API, counted and judged.

    .venv/bin/python -m benchmarks.captions --answers answers.jsonl

Each line of the file is a JSON object with an `output`: a model's raw answer, as messy as it came.
A model's server that only repeats gives it to the real server, in every style, also when it is
asked again. Prints how many captions came out, were asked again and were rejected, by rule, and
what two judges that share no code with the product say of those that came out. `--captions` writes
these down for reading.
"""

import argparse
import asyncio
import base64
import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from benchmarks.service import altwright
from testing.servers.replay_model_server import ReplayModelServer, context_of
from tests.independent import npm_alt_text, rules

STYLES = ("concise", "seo", "detailed")
_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one answer in one style: a caption, or a problem."""

    row: int
    style: str
    outcome: str
    """`caption`, `decorative`, or the problem's code."""
    caption: str = ""
    truncated: bool = False
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """The hard rules that a rejected draft broke."""


def picture() -> str:
    """A small picture as a data URL: what it shows is nothing to a model that only repeats."""
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


async def ask(
    url: str, rows: Sequence[int], *, locale: str = "en", max_tokens: int = 256
) -> list[Result]:
    """Every row in every style, through POST /v1/image/captions."""
    image_url = picture()
    waiting = list(reversed(rows))
    results: list[Result] = []
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
                answer = await http.post(f"{url}/v1/image/captions", json=body)
                answer.raise_for_status()
                results.extend(_result(row, one) for one in answer.json()["results"])

        await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
    return sorted(results, key=lambda one: (one.row, STYLES.index(one.style)))


def _result(row: int, body: dict[str, Any]) -> Result:
    problem = body.get("problem")
    if problem is not None:
        reasons = tuple(reason["code"] for reason in problem.get("reasons", ()))
        return Result(row, body["style"], problem["code"], reasons=reasons)
    return Result(
        row,
        body["style"],
        "decorative" if body["decorative"] else "caption",
        body["caption"],
        body["truncated"],
        tuple(body["warnings"]),
    )


def faults(results: Sequence[Result], locale: str = "en") -> list[tuple[Result, list[str]]]:
    """The captions in which a judge that shares no code with the product finds a broken rule.

    The second judge is npm's; it is left out where Node or the package is not installed.
    """
    made = [one for one in results if one.outcome == "caption"]
    node = shutil.which("node")
    has_package = node is not None and npm_alt_text.PACKAGE.is_dir()
    others = (
        npm_alt_text.find_violations(node, [one.caption for one in made])
        if node is not None and has_package and locale.startswith("en")
        else [[] for _ in made]
    )
    found = []
    for one, other in zip(made, others, strict=True):
        ours = rules.find_violations(one.caption, one.style, locale, is_truncated=one.truncated)
        if ours or other:
            found.append((one, [*sorted(ours), *other]))
    return found


def _print_table(results: Sequence[Result], asked_again: int) -> None:
    for style in STYLES:
        mine = [one for one in results if one.style == style]
        outcomes = Counter(one.outcome for one in mine)
        broken = Counter(code for one in mine for code in one.reasons)
        warned = Counter(code for one in mine for code in one.warnings)
        print(f"\n{style}: {len(mine)} answers")
        for name, counts in (("outcome", outcomes), ("rejected by", broken), ("warned", warned)):
            for code, count in counts.most_common():
                print(f"  {name:<12} {code:<26} {count:>5}  {count / len(mine):7.2%}")
    print(f"\nasked again: {asked_again}")


def main() -> int:
    """Ask, count, judge. The exit code is 1 where a judge finds a broken rule."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--answers", type=Path, required=True, help="JSON lines with an `output`")
    parser.add_argument("--every", type=int, default=1, help="only every Nth answer")
    parser.add_argument("--locale", default="en")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--finish-reason", default="stop", choices=["stop", "length"])
    parser.add_argument("--captions", type=Path, help="write what came out here, as JSON lines")
    arguments = parser.parse_args()
    lines = arguments.answers.read_text(encoding="utf-8").splitlines()
    answers = [str(json.loads(line)["output"]) for line in lines]
    rows = range(0, len(answers), arguments.every)
    with (
        ReplayModelServer(answers, arguments.finish_reason) as model,
        altwright(model.base_url.removesuffix("/v1"), ALTWRIGHT_MODEL_API_KEY="none") as (url, _),
    ):
        results = asyncio.run(
            ask(url, rows, locale=arguments.locale, max_tokens=arguments.max_tokens)
        )
        _print_table(results, model.retries.total())
    if arguments.captions:
        made = [one for one in results if one.outcome == "caption"]
        arguments.captions.write_text(
            "".join(
                json.dumps(
                    {"row": one.row, "style": one.style, "caption": one.caption,
                     "truncated": one.truncated, "warnings": one.warnings},
                    ensure_ascii=False,
                ) + "\n"
                for one in made
            ),
            encoding="utf-8",
        )  # fmt: skip
    found = faults(results, arguments.locale)
    print(f"captions that an independent judge finds fault with: {len(found)}")
    for one, codes in found:
        print(f"  row {one.row} {one.style} {', '.join(codes)}: {one.caption}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
