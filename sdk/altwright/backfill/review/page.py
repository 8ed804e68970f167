"""The page itself: one file that asks nobody for anything but the pictures that are on the web."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from altwright.backfill.review.charts import count_lengths, render_bar_chart
from altwright.backfill.review.review_item import HELD_LABEL, ReviewItem
from altwright.markup import json_in_script

_SCRIPTS = ("decisions.js", "cards.js", "review.js")
_SAYS = {
    "ai": "by the model",
    "human-edited-ai": "reviewed",
    "human": "by a person",
    "pending": "not asked yet",
    HELD_LABEL: "held by a rule",
}
"""As cards.js says it; what is not here speaks for itself."""


@dataclass(frozen=True, slots=True)
class PageHeader:
    """What the page says of the run whose texts it shows."""

    id: str
    source: str
    made_at: str
    """UTC, as people read it."""
    outcomes: Mapping[str, int]
    """Of the whole run, whatever of it is on the page."""
    left_out: int = 0
    """Texts that are not on the page, for there are too many."""


def render_page(run: PageHeader, items: Sequence[ReviewItem]) -> str:
    """The whole HTML document."""
    script = _script()
    style = _own("review.css")
    data = json_in_script(
        {"run": {"journal": run.id}, "items": [dataclasses.asdict(item) for item in items]}
    )
    parts = {
        "policy": _policy(script, style),
        "title": "Review of alt texts",
        "summary": escape(_summary(run, items)),
        "charts": _charts(run, items),
        "style": style,
        "script": script,
        "data": data,
    }
    # In one pass: what a part brings in is not looked at again for names of parts.
    head, *rest = _own("review.html").split("@")
    out = [head]
    for index, piece in enumerate(rest):
        out.append(parts[piece] if index % 2 == 0 else piece)
    return "".join(out)


def _script() -> str:
    prelude = (
        "const { run, items } = JSON.parse(document.getElementById('data').textContent);\n"
        "const byKey = new Map(items.map((item) => [item.key, item]));\n"
    )
    body = "".join(_own(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{prelude}{body}}})();\n'


def _policy(script: str, style: str) -> str:
    """Our script and style by their hashes, pictures, and nothing else: no request, no frame."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data: https: http:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _summary(run: PageHeader, items: Sequence[ReviewItem]) -> str:
    count = f"{len(items):,} picture{'' if len(items) == 1 else 's'}"
    left = f" {run.left_out:,} more are not on this page." if run.left_out else ""
    return f"{count} of {run.source}, as of {run.made_at}.{left}"


def _charts(run: PageHeader, items: Sequence[ReviewItem]) -> str:
    by_outcome = sorted(run.outcomes.items(), key=lambda each: -each[1])
    outcomes = [(_SAYS.get(name, name), count) for name, count in by_outcome if count]
    return render_bar_chart("outcomes", "Outcomes of the whole run", outcomes) + render_bar_chart(
        "lengths",
        "Characters of the texts on this page",
        count_lengths([item.text for item in items]),
    )


def _own(name: str) -> str:
    return files("altwright.backfill.review").joinpath(name).read_text(encoding="utf-8")
