"""What the page shows of a row: what the journal knows, and nothing a browser would run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from altwright.backfill.run_state import RunIdentity
from altwright.backfill.types import HELD_PREFIX, Outcome, Row, TextResult

HELD_LABEL = "held"
"""On the page a row that a rule holds is told from one that the model was uncertain of."""
_CONTEXT_CHARS = 300


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One picture on the page."""

    number: int
    """From 1, as the page counts."""
    key: str
    name: str
    image: str
    """Equal for equal pictures: of their content where that is known, else of their address."""
    text: str
    """The alt text, or the draft of one; what the reviewer's decision is about."""
    locale: str
    outcome: str
    model: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    context: str
    others: tuple[tuple[str, str, str], ...]
    """Style, locale and text of whatever else was asked for, to be edited as well."""
    thumb: str
    """A small data: URL, an http(s) URL, or empty."""
    link: str
    """An http(s) URL that may be opened, or empty."""


def make_review_item(number: int, row: Row, outcome: Outcome, thumb: str) -> ReviewItem:
    """The row as the page shows it."""
    return ReviewItem(
        number=number,
        key=row.key,
        name=row.file_name or f"row {row.key}",
        image=outcome.answer.sha256 or row.content or row.image,
        text=shown_text(outcome),
        locale=outcome.alt_locale or _first(outcome).locale,
        outcome=outcome_label(outcome),
        model=outcome.alt_model or _first(outcome).model,
        reasons=tuple(reason.removeprefix(HELD_PREFIX) for reason in outcome.reasons),
        warnings=outcome.warnings,
        context=row.context[:_CONTEXT_CHARS],
        others=tuple(_others(outcome)),
        thumb=thumb,
        link=row.image if is_web_url(row.image) else "",
    )


def shown_text(outcome: Outcome) -> str:
    """What a reviewer is shown as this row's text: what was written, or else the draft."""
    return outcome.alt if outcome.is_decided else outcome.alt or outcome.draft


def outcome_label(outcome: Outcome) -> str:
    """What the page calls the outcome."""
    return HELD_LABEL if outcome.is_held else outcome.alt_source.value


def run_id(facts: RunIdentity) -> str:
    """Names the run: a decisions file of one is not applied to another."""
    said = json.dumps(dataclasses.asdict(facts), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def is_web_url(image: str) -> bool:
    """Whether a browser may be sent there: never `javascript:`, never a file of this machine."""
    try:
        parts = urlsplit(image)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _others(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    first = _first(outcome)
    for (style, locale), text in outcome.texts.items():
        if text and (style, locale) != (first.style, first.locale):
            yield style, locale, text


def _first(outcome: Outcome) -> TextResult:
    return outcome.answer.texts[0] if outcome.answer.texts else TextResult("", "en")
