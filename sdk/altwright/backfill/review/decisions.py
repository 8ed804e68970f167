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

from altwright.backfill.audit_fields import clears_further_texts
from altwright.backfill.journal.serialization import outcome_from_json, outcome_to_json
from altwright.backfill.review.review_item import outcome_label, picture_of, shown_text
from altwright.backfill.types import (
    WRITTEN_BY_PEOPLE,
    AltSource,
    Outcome,
    Row,
    build_search_text,
)
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
    """Style, locale and new text of further texts that were edited; an empty text clears."""
    reviewer: str = ""
    """Who decided, if it was not the reviewer of the file."""
    reviewed_at: str | None = None
    """Review date that the row had on the page, '' if none; None: the page did not say."""
    image: str | None = None
    """What the picture on the page was known by; None: the page did not say."""


@dataclass(frozen=True, slots=True)
class DecisionsFile:
    """The content of one decisions file."""

    run_id: str
    """ID of the run whose page it was; see `review_item.run_id`."""
    reviewer: str
    decisions: tuple[Decision, ...]
    typed: int = 0
    """Texts that were typed and not approved: they are in the file for the page alone."""


def read_decisions(path: Path) -> DecisionsFile:
    """Read the file that the page saved. Raises UsageError."""
    try:
        # Editors add a byte order mark.
        data = json.loads(path.read_text(encoding="utf-8-sig"))
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
        reviewer=_parse_name(data.get("reviewer")),
        decisions=tuple(_parse_decision(each, path) for each in data["decisions"]),
        typed=len(data["typed"]) if isinstance(data.get("typed"), list) else 0,
    )


def outcome_from_decision(
    row: Row, current: Outcome, decision: Decision, reviewer: str, *, is_written: bool = True
) -> Outcome:
    """The outcome that a decision makes of the current one.

    If the current outcome is a decision that was never written to the target (`is_written` false),
    the new one replaces what the target has: the outcome before both.
    """
    replaced = current if is_written or not current.is_decided else None
    text = decision.text if decision.kind in ("approve", "edit") else ""
    texts = current.result.texts
    first = texts[0] if texts else None
    edits = tuple(_merge_edits(current, decision, replaced))
    return replace(
        current,
        alt_source=_alt_source(current, decision, edits),
        alt=text,
        alt_locale=current.alt_locale or (first.locale if first else ""),
        alt_model=current.alt_model or (first.model if first else ""),
        alt_reviewed_at=decision.at,
        reasons=(f"{_REVIEWED_BY}{reviewer}",) if reviewer else (),
        warnings=current.warnings if decision.kind == "approve" else (),
        draft=shown_text(replaced) if replaced else current.draft,
        search_text=build_search_text(text, row.tags, row.file_name),
        seen_source=replaced.alt_source.value if replaced else current.seen_source,
        seen_reviewed_at=replaced.alt_reviewed_at if replaced else current.seen_reviewed_at,
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


def shows_other_picture(row: Row, current: Outcome, decision: Decision) -> bool:
    """Whether the row showed another picture when the reviewer looked at it."""
    if decision.image is not None:
        return decision.image != picture_of(row, current)
    return bool(row.picture_changed_at) and row.picture_changed_at > decision.at


def find_conflict(current: Outcome, decision: Decision, reviewer: str) -> str:
    """Why a decision can no longer be applied; empty if it can."""
    earlier_reviewer = _reviewer_in(current.reasons)
    if current.is_decided and reviewer and earlier_reviewer == reviewer:
        if decision.at < current.alt_reviewed_at:
            return f"{reviewer} decided about it again at {current.alt_reviewed_at}"
        return ""  # a reviewer may revise their own decision
    is_seen = decision.reviewed_at in (None, current.alt_reviewed_at)
    is_same = outcome_label(current) == decision.outcome and shown_text(current) == decision.shown
    if is_seen and is_same:
        return ""
    if current.is_decided:
        return f"{earlier_reviewer or 'someone'} decided about it after the page was made"
    return "its text has changed since the page was made"


def _merge_edits(
    current: Outcome, decision: Decision, replaced: Outcome | None
) -> Iterator[tuple[str, str, str, str]]:
    """Edits of further texts with the text that each replaces; earlier edits are kept.

    A decorative or blank row has none of its texts any more; another decision about it brings the
    model's back, if they were written before: the page shows none of them.
    """
    unwritten = {} if replaced else {(each[0], each[1]): each[3] for each in current.edits}
    existing = {**current.texts, **unwritten}
    drafted = {(t.style, t.locale): t.text for t in current.result.texts[1:] if not t.code}
    new = {(style, locale): text for style, locale, text, _ in current.edits}
    if decision.kind not in ("approve", "edit"):
        new = dict.fromkeys([*drafted, *new], "")
    elif clears_further_texts(current) and _were_written(current):
        new = drafted
    new |= {(style, locale): text for style, locale, text in decision.edits}
    for (style, locale), text in new.items():
        yield style, locale, text, existing.get((style, locale), "")


def _were_written(current: Outcome) -> bool:
    """Whether the target had the texts of a row before the decision about it."""
    before = outcome_from_json(current.previous).alt_source if current.previous else None
    return before is AltSource.AI or before in WRITTEN_BY_PEOPLE


def _alt_source(
    current: Outcome, decision: Decision, edits: Iterable[tuple[str, str, str, str]]
) -> AltSource:
    if decision.kind == "decorative":
        return AltSource.DECORATIVE
    if decision.kind == "blank":
        return AltSource.REJECTED
    was_edited = any(new != old for _, _, new, old in edits)
    if decision.text == decision.shown.strip() and not was_edited:
        # Approved as it stands: the text stays the model's, or that of the person who wrote it.
        is_persons = current.is_decided and current.alt_source in WRITTEN_BY_PEOPLE
        return current.alt_source if is_persons else AltSource.AI
    # Without a model's text to edit, the text is a person's alone.
    is_persons_alone = not decision.shown.strip() or current.alt_source is AltSource.HUMAN
    return AltSource.HUMAN if is_persons_alone else AltSource.HUMAN_EDITED_AI


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
        reviewer=_parse_name(fields.get("reviewer")),
        image=None if fields.get("image") is None else str(fields["image"]),
        reviewed_at=None if fields.get("reviewed_at") is None else str(fields["reviewed_at"]),
    )


def _parse_name(name: object) -> str:
    return " ".join(str(name or "").split())[:100]


def _is_edit(data: object) -> bool:
    if not isinstance(data, list) or len(data) != 3:
        return False
    return all(isinstance(each, str) for each in data) and bool(data[0] and data[1])


def _to_utc(at: object) -> str:
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        moment = datetime.now(UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
