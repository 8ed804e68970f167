"""The review page: one HTML file that loads nothing but images from the web."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from altwright.backfill.review.charts import count_lengths, render_bar_chart
from altwright.backfill.review.review_item import HELD_LABEL, REVIEWED_LABEL, ReviewItem
from altwright.backfill.review.selection import SpotCheck
from altwright.markup import json_in_script

PAGE_MARKS = (b"trusted-types 'none'", b"<title>Review of alt texts</title>")
"""Pieces of every page's beginning, by which a page of this command is told from other files."""
_SCRIPTS = ("decisions.js", "storage.js", "cards.js", "review.js")
_LABEL_TEXTS = {
    "ai": "by the model",
    REVIEWED_LABEL: "approved by a person",
    "human-edited-ai": "edited by a person",
    "human": "by a person",
    "pending": "not asked yet",
    HELD_LABEL: "held by a rule",
}
"""Labels that the page shows as another text, equal to those in cards.js."""


@dataclass(frozen=True, slots=True)
class PageHeader:
    """What the page says about the run."""

    run_id: str
    source: str
    created_at: str
    """UTC, for people."""
    outcomes: Mapping[str, int]
    """Label to number of rows, of the whole run."""
    left_out: int = 0
    """Texts that are not on the page because they did not fit."""
    spot_check: SpotCheck | None = None


def render_page(header: PageHeader, items: Sequence[ReviewItem]) -> str:
    """The whole HTML document."""
    script = _build_script()
    style = _read_own_file("review.css")
    data = json_in_script(
        {"run": {"journal": header.run_id}, "items": [dataclasses.asdict(item) for item in items]}
    )
    parts = {
        "policy": _content_security_policy(script, style),
        "title": "Review of alt texts",
        "summary": escape(_summarise(header, items)),
        "spot_check": escape(describe_spot_check(header.spot_check)),
        "charts": _render_charts(header, items),
        "style": style,
        "script": script,
        "data": data,
    }
    # Placeholders are replaced in one pass: a part's own text is not searched for placeholders.
    first, *rest = _read_own_file("review.html").split("@")
    pieces = [parts[piece] if index % 2 == 0 else piece for index, piece in enumerate(rest)]
    return "".join([first, *pieces])


def _build_script() -> str:
    prelude = (
        "const { run, items } = JSON.parse(document.getElementById('data').textContent);\n"
        "const byKey = new Map(items.map((item) => [item.key, item]));\n"
    )
    body = "".join(_read_own_file(name) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{prelude}{body}}})();\n'


def _content_security_policy(script: str, style: str) -> str:
    """Allows the page's own script and style by their hashes, and images; nothing else."""
    return (
        f"default-src 'none'; script-src '{_csp_hash(script)}'; style-src '{_csp_hash(style)}'; "
        "img-src data: https: http:; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _csp_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _summarise(header: PageHeader, items: Sequence[ReviewItem]) -> str:
    count = f"{len(items):,} picture{'' if len(items) == 1 else 's'}"
    left_out = f" {header.left_out:,} more are not on this page." if header.left_out else ""
    return f"{count} of {header.source}, as of {header.created_at}.{left_out}"


def describe_spot_check(spot_check: SpotCheck | None) -> str:
    """The parts of a spot check, and the share of each; empty if there is none."""
    if spot_check is None:
        return ""
    drawn = len(spot_check.drawn)
    count = spot_check.doubtful + drawn
    if not count:
        return "Spot check: a model has written no text yet."
    doubtful = f"{spot_check.doubtful:,} ({spot_check.doubtful / count:.0%})"
    return (
        f"Spot check of {count:,} of {spot_check.doubtful + spot_check.drawn_from:,} that a model "
        f"has written: the {doubtful} most doubtful, which have warnings, and {drawn:,} "
        f"({drawn / count:.0%}) drawn at random (seed {spot_check.seed}), "
        f"{_format_share(drawn, spot_check.drawn_from)} of the {spot_check.drawn_from:,} others."
    )


def _format_share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0%"


def _render_charts(header: PageHeader, items: Sequence[ReviewItem]) -> str:
    by_count = sorted(header.outcomes.items(), key=lambda each: -each[1])
    outcomes = [(_LABEL_TEXTS.get(label, label), count) for label, count in by_count if count]
    lengths = count_lengths([item.text for item in items])
    return render_bar_chart("outcomes", "Outcomes of the whole run", outcomes) + render_bar_chart(
        "lengths", "Characters of the texts on this page", lengths
    )


def _read_own_file(name: str) -> str:
    return files("altwright.backfill.review").joinpath(name).read_text(encoding="utf-8")
