"""A person who reviews: reads the page that the product writes, and saves a file of decisions."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testing.histories.catalogue import Numbers, Options, human_text
from testing.histories.machine_text import slug_of
from testing.histories.oracle import MadeDecision, Record

_DATA = re.compile(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', re.DOTALL)
_KINDS = ("approve", "approve", "edit", "edit", "others", "decorative", "blank")


def read_page(path: Path) -> dict[str, Any]:
    """The data of a page."""
    found = _DATA.search(path.read_text(encoding="utf-8"))
    assert found is not None, "the page has no data"
    data: dict[str, Any] = json.loads(found[1])
    return data


def decide(
    page: dict[str, Any], rows: Sequence[Record], options: Options, file: Path,
    randomness: random.Random, numbers: Numbers,
) -> list[MadeDecision]:  # fmt: skip
    """Decide about some of a page's rows and save the file."""
    made: list[MadeDecision] = []
    saved: list[dict[str, Any]] = []
    field_of = {pair: name for name, pair in options.fields.items()}
    for item in page["items"]:
        if randomness.random() < 0.45:
            continue
        kind = randomness.choice(_KINDS)
        text = item["text"].strip()
        edits: list[tuple[str, str, str]] = []
        if kind == "others" and item["others"]:
            style, locale, *_ = randomness.choice(item["others"])
            new = "" if randomness.random() < 0.3 else human_text(numbers, randomness)
            edits.append((style, locale, new))
        if kind in ("decorative", "blank"):
            text = ""
        elif kind == "edit" or not text:
            text = human_text(numbers, randomness)
        name = kind if kind in ("decorative", "blank") else (
            "edit" if edits or text != item["text"].strip() else "approve"
        )  # fmt: skip
        saved.append({
            "key": item["key"], "outcome": item["outcome"], "reviewed_at": item["reviewed_at"],
            "decision": name, "text": text, "edits": edits, "shown": item["text"],
            "at": f"2026-11-29T10:{len(saved):02}:{randomness.randrange(60):02}.000Z",
        })  # fmt: skip
        slug = slug_of(item["link"] or item["image"])
        if options.key_type == "none":
            about = [row for row in rows if slug_of(str(row["image_url"])) == slug]
        else:
            about = [row for row in rows if _is_key(row, item["key"])]
        texts = {"alt": text} | {field_of[style, locale]: new for style, locale, new in edits}
        made.append(MadeDecision(
            file.name, item["key"], tuple(row["_uid"] for row in about), slug,
            about[0].get("id") if len(about) == 1 else None, name, item["text"],
            {**texts, **(dict.fromkeys(options.fields, "") if not text else {})},
        ))  # fmt: skip
    reviewer = randomness.choice(("Ana", "Ana", "Ben", ""))
    file.write_text(json.dumps({
        "version": 1, "journal": page["run"]["journal"], "reviewer": reviewer, "saved_at": "",
        "decisions": saved, "typed": [],
    }))  # fmt: skip
    return made


def _is_key(row: Record, key: str) -> bool:
    value = row.get("id")
    if isinstance(value, float):  # a FLOAT has fewer digits than the driver shows, or more
        with contextlib.suppress(ValueError):
            return abs(float(key) - value) < 1e-4
        return False
    return str(value) == key
