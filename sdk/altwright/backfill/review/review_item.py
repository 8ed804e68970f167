"""Review items: what the page shows of a row. Holds nothing that a browser would execute."""

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
"""The page tells a row that a hold rule holds from one that the model was uncertain of."""
_CONTEXT_CHARS = 300


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One image on the page. The page's scripts read these field names."""

    number: int
    """From 1, in the order of the page."""
    key: str
    name: str
    image: str
    """Equal for equal images: the hash of the content if it is known, else the URL."""
    text: str
    """The alt text, or its draft. The reviewer's decision is about this text."""
    locale: str
    outcome: str
    model: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    context: str
    others: tuple[tuple[str, str, str], ...]
    """Style, locale and text of the further texts, which can be edited too."""
    thumb: str
    """Thumbnail: a small data: URL, an http(s) URL, or empty."""
    link: str
    """An http(s) URL that may be opened, or empty."""


def make_review_item(number: int, row: Row, outcome: Outcome, thumbnail: str) -> ReviewItem:
    """The item of a row."""
    return ReviewItem(
        number=number,
        key=row.key,
        name=row.file_name or f"row {row.key}",
        image=outcome.result.sha256 or row.content_hash or row.image,
        text=shown_text(outcome),
        locale=outcome.alt_locale or _first_text(outcome).locale,
        outcome=outcome_label(outcome),
        model=outcome.alt_model or _first_text(outcome).model,
        reasons=tuple(reason.removeprefix(HELD_PREFIX) for reason in outcome.reasons),
        warnings=outcome.warnings,
        context=row.context[:_CONTEXT_CHARS],
        others=tuple(_further_texts(outcome)),
        thumb=thumbnail,
        link=row.image if is_web_url(row.image) else "",
    )


def shown_text(outcome: Outcome) -> str:
    """The text that a reviewer sees: what was written, or else the draft."""
    return outcome.alt if outcome.is_decided else outcome.alt or outcome.draft


def outcome_label(outcome: Outcome) -> str:
    """The page's name of an outcome."""
    return HELD_LABEL if outcome.is_held else outcome.alt_source.value


def run_id(identity: RunIdentity) -> str:
    """ID of a run, by which a decisions file names the run that it belongs to."""
    stored = json.dumps(dataclasses.asdict(identity), sort_keys=True)
    return hashlib.sha256(stored.encode()).hexdigest()[:12]


def is_web_url(image: str) -> bool:
    """Whether a browser may load it: http(s) only, never `javascript:` or a local file."""
    try:
        parts = urlsplit(image)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _further_texts(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    first = _first_text(outcome)
    for (style, locale), text in outcome.texts.items():
        if text and (style, locale) != (first.style, first.locale):
            yield style, locale, text


def _first_text(outcome: Outcome) -> TextResult:
    return outcome.result.texts[0] if outcome.result.texts else TextResult("", "en")
