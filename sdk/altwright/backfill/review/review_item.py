"""Review items: what the page shows of a row. Holds nothing that a browser would execute."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from altwright.backfill.review.evidence import EvidenceGroup, group_evidence
from altwright.backfill.run_state import RunIdentity, without_columns
from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome, Row, TextResult

HELD_LABEL = "held"
"""The page tells a row that a hold rule holds from one that the model was uncertain of."""
REVIEWED_LABEL = "reviewed"
"""And a model's text that a person approved as it stands from one that nobody looked at."""
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
    reviewed_at: str
    """When a person decided about it; empty: nobody has."""
    model: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    context: str
    others: tuple[tuple[str, str, str, str], ...]
    """Style, locale, text and draft of the further texts, which can be edited too.

    A text that the model did not write is empty; its draft, if there is one, broke rules.
    """
    thumb: str
    """Thumbnail: a small data: URL, an http(s) URL, or empty."""
    link: str
    """An http(s) URL that may be opened, or empty."""
    evidence: tuple[EvidenceGroup, ...]
    """What the picture says to the claims of the texts; empty if they were not verified."""
    is_drawn: bool
    """Drawn at random for a spot check."""


def make_review_item(
    number: int,
    row: Row,
    outcome: Outcome,
    thumbnail: str,
    pairs: Sequence[tuple[str, str]] = (),
    *,
    is_drawn: bool = False,
) -> ReviewItem:
    """The item of a row. `pairs` are style and locale of every text of the run."""
    return ReviewItem(
        number=number,
        key=row.key,
        name=row.file_name or f"row {row.key}",
        image=picture_of(row, outcome),
        text=shown_text(outcome),
        locale=outcome.alt_locale or _first_text(outcome).locale,
        outcome=outcome_label(outcome),
        reviewed_at=outcome.alt_reviewed_at,
        model=outcome.alt_model or _first_text(outcome).model,
        reasons=tuple(reason.removeprefix(HELD_PREFIX) for reason in outcome.reasons),
        warnings=outcome.warnings,
        context=row.context[:_CONTEXT_CHARS],
        others=tuple(_further_texts(outcome, pairs)),
        thumb=thumbnail,
        link=row.image if is_web_url(row.image) else "",
        evidence=group_evidence(outcome.result.texts),
        is_drawn=is_drawn,
    )


def picture_of(row: Row, outcome: Outcome) -> str:
    """What the picture is known by: a hash of its content if there is one, else its URL."""
    return outcome.result.sha256 or row.content_hash or row.image


def shown_text(outcome: Outcome) -> str:
    """The text that a reviewer sees: what was written, or else the draft."""
    return outcome.alt if outcome.is_decided else outcome.alt or outcome.draft


def outcome_label(outcome: Outcome) -> str:
    """The page's name of an outcome."""
    if outcome.is_decided and outcome.alt_source is AltSource.AI:
        return REVIEWED_LABEL
    return HELD_LABEL if outcome.is_held else outcome.alt_source.value


def run_id(identity: RunIdentity) -> str:
    """ID of a run, by which a decisions file names the run that it belongs to."""
    stored = json.dumps(dataclasses.asdict(without_columns(identity)), sort_keys=True)
    return hashlib.sha256(stored.encode()).hexdigest()[:12]


def is_web_url(image: str) -> bool:
    """Whether a browser may load it: http(s) only, never `javascript:` or a local file."""
    try:
        parts = urlsplit(image)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _further_texts(
    outcome: Outcome, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, str, str]]:
    texts = outcome.texts
    drafts = {(text.style, text.locale): text.draft for text in outcome.result.texts}
    first, *further = dict.fromkeys([*pairs, *drafts, *texts]) or [("", "")]
    for pair in further:
        if pair != first:
            yield *pair, texts.get(pair, ""), drafts.get(pair, "")


def _first_text(outcome: Outcome) -> TextResult:
    return outcome.result.texts[0] if outcome.result.texts else TextResult("", "en")
