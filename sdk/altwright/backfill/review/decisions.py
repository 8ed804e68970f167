"""Decisions of a reviewer: reads the file that the page saves, and makes outcomes of it.

A decision is about the text that the reviewer saw. If the journal has another text by now, the
decision is reported and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from altwright.backfill.journal.serialization import outcome_to_json
from altwright.backfill.review.review_item import outcome_label, shown_text
from altwright.backfill.types import AltSource, Outcome, Row, build_search_text
from altwright.errors import UsageError

FILE_VERSION = 1
"""Version of the decisions file."""
DECISION_KINDS = ("approve", "edit", "decorative", "blank")
_REVIEWED_BY = "reviewed by "


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one row."""

    key: str
    outcome: str
    """The row's outcome as the page labelled it."""
    shown: str
    """The text that the page showed."""
    kind: str
    """One of DECISION_KINDS."""
    text: str
    at: str
    """UTC, ISO 8601, to the second."""
    edits: tuple[tuple[str, str, str], ...] = ()
    """Style, locale and new text of further texts that were edited."""


@dataclass(frozen=True, slots=True)
class DecisionsFile:
    """The content of one decisions file."""

    run_id: str
    """ID of the run whose page it was; see `review_item.run_id`."""
    reviewer: str
    decisions: tuple[Decision, ...]


def read_decisions(path: Path) -> DecisionsFile:
    """Read the file that the page saved. Raises UsageError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"{path} is not a decisions file: it is not JSON.") from None
    if not isinstance(data, dict) or not isinstance(data.get("decisions"), list):
        raise UsageError(f"{path} is not a decisions file.")
    if data.get("version") != FILE_VERSION:
        raise UsageError(f"{path} was saved by a page of another version of altwright.")
    return DecisionsFile(
        run_id=str(data.get("journal")),
        reviewer=" ".join(str(data.get("reviewer") or "").split())[:100],
        decisions=tuple(_parse_decision(each, path) for each in data["decisions"]),
    )


def outcome_from_decision(
    row: Row, current: Outcome, decision: Decision, reviewer: str, *, is_written: bool = True
) -> Outcome:
    """The outcome that a decision makes of the current one.

    If the current outcome is a decision that was never written to the target (`is_written` false),
    the new one replaces what the target has: the outcome before both.
    """
    replaced = current if is_written or not current.is_decided else None
    has_text = decision.kind in ("approve", "edit")
    text = decision.text if has_text else ""
    texts = current.result.texts
    first = texts[0] if texts else None
    edits = tuple(_merge_edits(current, decision, replaced)) if has_text else ()
    drafted_seo = next((t.text for t in texts if t.style == "seo" and not t.code), "")
    seo = next((new for style, _, new, _ in edits if style == "seo"), current.seo or drafted_seo)
    return replace(
        current,
        alt_source=_alt_source(decision),
        alt=text,
        alt_locale=current.alt_locale or (first.locale if first else ""),
        alt_model=current.alt_model or (first.model if first else ""),
        alt_reviewed_at=decision.at,
        seo="" if decision.kind == "blank" else seo,
        reasons=(f"{_REVIEWED_BY}{reviewer}",) if reviewer else (),
        warnings=current.warnings if decision.kind == "approve" else (),
        draft=shown_text(replaced) if replaced else current.draft,
        search_text=build_search_text(text, row.tags, row.file_name),
        seen_source=replaced.alt_source.value if replaced else current.seen_source,
        edits=edits,
        previous=outcome_to_json(replace(replaced, previous="")) if replaced else current.previous,
    )


def is_already_applied(current: Outcome, decided: Outcome) -> bool:
    """Whether the current outcome is the same decision."""
    return (
        current.is_decided
        and current.alt_source is decided.alt_source
        and current.alt == decided.alt
        and {**current.texts} == {**decided.texts}
    )


def find_conflict(current: Outcome, decision: Decision, reviewer: str) -> str:
    """Why a decision can no longer be applied; empty if it can."""
    earlier_reviewer = _reviewer_in(current.reasons)
    if current.is_decided and reviewer and earlier_reviewer == reviewer:
        return ""  # a reviewer may revise their own decision
    if outcome_label(current) == decision.outcome and shown_text(current) == decision.shown:
        return ""
    if current.is_decided:
        return f"{earlier_reviewer or 'someone'} decided about it after the page was made"
    return "its text has changed since the page was made"


def _merge_edits(
    current: Outcome, decision: Decision, replaced: Outcome | None
) -> Iterator[tuple[str, str, str, str]]:
    """Edits of further texts with the text that each replaces; earlier edits are kept."""
    unwritten = {} if replaced else {(each[0], each[1]): each[3] for each in current.edits}
    existing = {**current.texts, **unwritten}
    earlier = {(style, locale): text for style, locale, text, _ in current.edits}
    new = {(style, locale): text for style, locale, text in decision.edits}
    for (style, locale), text in {**earlier, **new}.items():
        if (style, locale) in existing:
            yield style, locale, text, existing[style, locale]


def _alt_source(decision: Decision) -> AltSource:
    if decision.kind == "decorative":
        return AltSource.DECORATIVE
    if decision.kind == "blank":
        return AltSource.REJECTED
    # Without a model's text to edit, the text is a person's alone.
    return AltSource.HUMAN_EDITED_AI if decision.shown.strip() else AltSource.HUMAN


def _reviewer_in(reasons: Iterable[str]) -> str:
    found = (each.removeprefix(_REVIEWED_BY) for each in reasons if each.startswith(_REVIEWED_BY))
    return next(found, "")


def _parse_decision(data: object, path: Path) -> Decision:
    invalid = UsageError(f"{path} is broken: {json.dumps(data)[:120]} is not a decision.")
    if not isinstance(data, Mapping) or data.get("decision") not in DECISION_KINDS:
        raise invalid
    fields: Mapping[str, Any] = data
    names = ("key", "outcome", "shown", "text")
    if not all(isinstance(fields.get(name), str) for name in names):
        raise invalid
    kind, text = str(fields["decision"]), str(fields["text"]).strip()
    if kind in ("approve", "edit") and not text:
        raise invalid
    edits = fields.get("edits", [])
    if not isinstance(edits, list) or not all(_is_edit(each) for each in edits):
        raise invalid
    return Decision(
        key=str(fields["key"]),
        outcome=str(fields["outcome"]),
        shown=str(fields["shown"]),
        kind=kind,
        text=text,
        at=_to_utc(fields.get("at")),
        edits=tuple((style, locale, new.strip()) for style, locale, new in edits),
    )


def _is_edit(data: object) -> bool:
    if not isinstance(data, list) or len(data) != 3:
        return False
    return all(isinstance(each, str) and each.strip() for each in data)


def _to_utc(at: object) -> str:
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        moment = datetime.now(UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
