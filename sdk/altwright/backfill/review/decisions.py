"""What a person decided on the review page, and what that makes of a row. Pure but for reading.

A decision counts only for the text that was looked at: where the journal has another one by now, it
is told and nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from altwright.backfill.journal import serialization
from altwright.backfill.review.review_item import outcome_label, shown_text
from altwright.backfill.types import AltSource, Outcome, Row, build_search_text
from altwright.errors import UsageError

VERSION = 1
"""Of the decisions file."""
KINDS = ("approve", "edit", "decorative", "blank")
_BY = "reviewed by "


@dataclass(frozen=True, slots=True)
class Decision:
    """One row's."""

    key: str
    outcome: str
    """What the page called the row's outcome."""
    shown: str
    """The text that was on the page."""
    kind: str
    """One of `KINDS`."""
    text: str
    at: str
    """UTC, ISO 8601, to the second."""
    edits: tuple[tuple[str, str, str], ...] = ()
    """Style, locale and new text, of further texts that were edited."""


@dataclass(frozen=True, slots=True)
class DecisionsFile:
    """One file."""

    run: str
    """Which run's page it was; `review.items.run_id`."""
    reviewer: str
    decisions: tuple[Decision, ...]


def read_decisions(path: Path) -> DecisionsFile:
    """The file that the page saved. Raises UsageError with one sentence."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"{path} is no decisions file: it is not JSON.") from None
    if not isinstance(data, dict) or not isinstance(data.get("decisions"), list):
        raise UsageError(f"{path} is no decisions file.")
    if data.get("version") != VERSION:
        raise UsageError(f"{path} was saved by a page of another version of altwright.")
    return DecisionsFile(
        run=str(data.get("journal")),
        reviewer=" ".join(str(data.get("reviewer") or "").split())[:100],
        decisions=tuple(_decision(each, path) for each in data["decisions"]),
    )


def outcome_from_decision(
    row: Row, current: Outcome, decision: Decision, reviewer: str, *, is_written: bool = True
) -> Outcome:
    """What the row is from now on.

    Where the current outcome is a decision that the target never got (`is_written` false), the new
    one takes the place of what the target has: of what stood there before both.
    """
    stands = current if is_written or not current.is_decided else None
    has_text = decision.kind in ("approve", "edit")
    text = decision.text if has_text else ""
    first = current.answer.texts[0] if current.answer.texts else None
    edits = tuple(_edits(current, decision, stands)) if has_text else ()
    seo = next((t.text for t in current.answer.texts if t.style == "seo" and not t.code), "")
    new_seo = next((new for style, _, new, _ in edits if style == "seo"), current.seo or seo)
    return replace(
        current,
        alt_source=_source(decision),
        alt=text,
        alt_locale=current.alt_locale or (first.locale if first else ""),
        alt_model=current.alt_model or (first.model if first else ""),
        alt_reviewed_at=decision.at,
        seo="" if decision.kind == "blank" else new_seo,
        reasons=(f"{_BY}{reviewer}",) if reviewer else (),
        warnings=current.warnings if decision.kind == "approve" else (),
        draft=shown_text(stands) if stands else current.draft,
        search_text=build_search_text(text, row.tags, row.file_name),
        seen_source=stands.alt_source.value if stands else current.seen_source,
        edits=edits,
        previous=(
            serialization.outcome_to_json(replace(stands, previous=""))
            if stands
            else current.previous
        ),
    )


def is_already_applied(current: Outcome, decided: Outcome) -> bool:
    """Whether the very same decision stands already."""
    return (
        current.is_decided
        and current.alt_source is decided.alt_source
        and current.alt == decided.alt
        and {**current.texts} == {**decided.texts}
    )


def find_conflict(current: Outcome, decision: Decision, reviewer: str) -> str:
    """Why the decision does not count any more; empty: it does."""
    by = _reviewer(current.reasons)
    if current.is_decided and reviewer and by == reviewer:
        return ""  # the same person thought again
    if outcome_label(current) == decision.outcome and shown_text(current) == decision.shown:
        return ""
    if current.is_decided:
        return f"{by or 'somebody'} decided about it since the page was made"
    return "it is another text since the page was made"


def _edits(
    current: Outcome, decision: Decision, stands: Outcome | None
) -> Iterator[tuple[str, str, str, str]]:
    """Those of earlier decisions stay, where this one has no others."""
    unwritten = {} if stands else {(each[0], each[1]): each[3] for each in current.edits}
    there = {**current.texts, **unwritten}
    new = {(style, locale): text for style, locale, text in decision.edits}
    earlier = {(style, locale): text for style, locale, text, _ in current.edits}
    for (style, locale), text in {**earlier, **new}.items():
        if (style, locale) in there:
            yield style, locale, text, there[style, locale]


def _source(decision: Decision) -> AltSource:
    if decision.kind == "decorative":
        return AltSource.DECORATIVE
    if decision.kind == "blank":
        return AltSource.REJECTED
    # Where no text of a model's was there to edit, it is a person's alone.
    return AltSource.HUMAN_EDITED_AI if decision.shown.strip() else AltSource.HUMAN


def _reviewer(reasons: Iterable[str]) -> str:
    return next((each.removeprefix(_BY) for each in reasons if each.startswith(_BY)), "")


def _decision(data: object, path: Path) -> Decision:
    wrong = UsageError(f"{path} is broken: {json.dumps(data)[:120]} is no decision.")
    if not isinstance(data, Mapping) or data.get("decision") not in KINDS:
        raise wrong
    found: Mapping[str, Any] = data
    if not all(isinstance(found.get(name), str) for name in ("key", "outcome", "shown", "text")):
        raise wrong
    kind, text = str(found["decision"]), str(found["text"]).strip()
    if kind in ("approve", "edit") and not text:
        raise wrong
    key, outcome, shown = (str(found[name]) for name in ("key", "outcome", "shown"))
    edits = found.get("edits", [])
    if not isinstance(edits, list) or not all(_is_edit(each) for each in edits):
        raise wrong
    further = tuple((style, locale, new.strip()) for style, locale, new in edits)
    return Decision(key, outcome, shown, kind, text, _moment(found.get("at")), further)


def _is_edit(data: object) -> bool:
    if not isinstance(data, list) or len(data) != 3:
        return False
    return all(isinstance(each, str) and each.strip() for each in data)


def _moment(at: object) -> str:
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        moment = datetime.now(UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
