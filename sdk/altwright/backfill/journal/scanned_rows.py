"""Scanned rows: brings the journal's rows up to date with what a scan has read.

What a person decided about a row stays. If the row shows another picture now, the decision is set
aside, a held draft stands in its place, and it comes back with its picture.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from altwright.backfill.journal import serialization, sql
from altwright.backfill.journal.decided_rows import AMBIGUOUS, hold_decision, keeps_decision
from altwright.backfill.types import Outcome, Row, build_search_text


@dataclass(frozen=True, slots=True)
class _DecidedRow:
    request_key: str
    row: Row
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _StoredRow:
    row: Row
    line_number: int
    scan_number: int


@dataclass(frozen=True, slots=True)
class _LeftDecision:
    """A decision about a file that has not its name any more."""

    request_key: str
    outcome: Outcome
    delete: tuple[str, tuple[object, ...]]
    """The statement that removes it from where it was, with its values."""


class ScannedRows:
    """The rows of one journal. Every method needs an open transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.reads_target = True
        """Whether a row that is blank in the source lacks its outcome in the target."""

    def add(self, rows: Sequence[Row], scan_number: int) -> None:
        """Add rows that are blank in the source. The first row with a key is the one that counts.

        A later one of the same scan is noted: it has the same request, or is in conflict.
        """
        keys = [row.key for row in rows]
        decided = self._find_decided(keys)
        set_aside = self._find_set_aside(keys)
        stored = self._find_rows(keys)
        for row in rows:
            before = stored.get(row.key)
            if before is not None and before.scan_number == scan_number:
                self._note_repeat(row, before)
                continue
            stored[row.key] = _StoredRow(row, row.line_number, scan_number)
            known = decided.get(row.key)
            keeps = known is not None and keeps_decision(known.outcome, known.row, row)
            held = None
            if known is not None and not keeps:
                self._set_aside(known)
                held = hold_decision(known.outcome)
            # A kept decision keeps the request whose result is behind it.
            request_key = known.request_key if known is not None and keeps else row.request_key
            earlier = None if before is None else before.row
            self._db.execute(
                sql.UPSERT_ROW,
                (row.key, request_key, serialization.row_to_json(_with_change(row, earlier)),
                 row.line_number, scan_number, int(self.reads_target)),
            )  # fmt: skip
            if (row.key, row.picture) in set_aside:
                self._restore(row, *set_aside[row.key, row.picture])
            elif held is not None:
                self._replace_outcome(held)

    def _note_repeat(self, row: Row, first: _StoredRow) -> None:
        is_conflict = row.request_key != first.row.request_key
        self._db.execute(
            "INSERT INTO repeats VALUES (?, ?, ?, ?)",
            (row.line_number, row.key, first.line_number, int(is_conflict)),
        )

    def name_rows(self, scan_number: int) -> None:
        """Move decisions to rows that had no key, and have one now."""
        lost = self._db.execute(sql.SELECT_LOST_KEYLESS_ROWS, (scan_number,)).fetchall()
        for row_id, request_key, stored, state, outcome in lost:
            image = serialization.row_from_json(stored).image
            found = self._db.execute(sql.SELECT_NEW_ROWS_OF_IMAGE, (scan_number, image)).fetchall()
            if len(found) != 1:
                continue
            [[new_id]] = found
            [key] = self._db.execute("SELECT key FROM rows WHERE id = ?", (new_id,)).fetchone()
            decided = replace(serialization.outcome_from_json(outcome), key=key)
            self._db.execute(
                "UPDATE rows SET ask = ?, state = ?, outcome = ?, written = 0 WHERE id = ?",
                (request_key, state, serialization.outcome_to_json(decided), new_id),
            )
            self._db.execute("DELETE FROM keyless_rows WHERE id = ?", (row_id,))
            self._db.execute("DELETE FROM rows WHERE id = ?", (row_id,))

    def follow_numbers(self, scan_number: int) -> None:
        """Move decisions to rows with the same number as key, and the same picture.

        Spreadsheet programs write 007 as 7, and other programs 7 as 7.0.
        """
        lost = self._db.execute(sql.SELECT_LOST_NUMBERED_ROWS, (scan_number,)).fetchall()
        if not lost:
            return
        found: dict[tuple[Decimal, str], list[tuple[int, str]]] = {}
        for row_id, key, stored in self._db.execute(sql.SELECT_NEW_NUMBERED_ROWS, (scan_number,)):
            name = _number_and_picture(key, stored)
            if name is not None:
                found.setdefault(name, []).append((row_id, key))
        moved: set[int] = set()
        for row_id, key, request_key, stored, state, outcome in lost:
            name = _number_and_picture(key, stored)
            rows = [] if name is None else found.get(name, [])
            if len(rows) != 1 or rows[0][0] in moved:
                continue
            [(new_id, new_key)] = rows
            moved.add(new_id)
            decided = replace(serialization.outcome_from_json(outcome), key=new_key)
            self._db.execute(
                "UPDATE rows SET ask = ?, state = ?, outcome = ?, written = 0 WHERE id = ?",
                (request_key, state, serialization.outcome_to_json(decided), new_id),
            )
            self._db.execute("DELETE FROM rows WHERE id = ?", (row_id,))

    def follow_moved_files(self, scan_number: int) -> None:
        """Move decisions about files that have another name or folder now, and the same bytes.

        The new name may have been another file's before. Only where the file's name is the key, as
        in a folder: any other key says itself which row is which.
        """
        left = self._find_left_decisions(scan_number)
        if not left:
            return
        moved: dict[str, _LeftDecision] = {}
        for new_id, stored in self._db.execute(sql.SELECT_NEW_FILES, (scan_number,)).fetchall():
            row = serialization.row_from_json(stored)
            decision = left.get(row.content_hash)
            if decision is None:
                continue
            moved[row.content_hash] = decision
            outcome = decision.outcome
            search_text = build_search_text(outcome.alt, row.tags, row.file_name)
            named = replace(outcome, key=row.key, search_text=search_text)
            self._db.execute(
                "UPDATE rows SET ask = ?, state = ?, outcome = ?, written = 0 WHERE id = ?",
                (decision.request_key, outcome.alt_source.value,
                 serialization.outcome_to_json(named), new_id),
            )  # fmt: skip
        for decision in moved.values():
            self._db.execute(*decision.delete)

    def _find_left_decisions(self, scan_number: int) -> dict[str, _LeftDecision]:
        """By content, decisions about files whose name is gone, or shows another picture now."""
        left: dict[str, _LeftDecision] = {}
        gone = self._db.execute(sql.SELECT_LOST_FILES, (scan_number,)).fetchall()
        aside = self._db.execute(sql.SELECT_FILES_SET_ASIDE).fetchall()
        found = [
            (request_key, stored, outcome, ("DELETE FROM rows WHERE id = ?", (row_id,)))
            for row_id, request_key, stored, _, outcome in gone
        ] + [
            (request_key, stored, outcome,
             ("DELETE FROM set_aside WHERE key = ? AND picture = ?", (key, picture)))
            for key, picture, request_key, stored, outcome in aside
        ]  # fmt: skip
        for request_key, stored, outcome, delete in found:
            row = serialization.row_from_json(stored)
            if row.image == row.key or row.image.endswith(f"/{row.key}"):
                decided = serialization.outcome_from_json(outcome)
                left.setdefault(row.content_hash, _LeftDecision(request_key, decided, delete))
        return left

    def hold_decisions(self, keys: Sequence[str]) -> None:
        """Hold what people decided about rows that may be others."""
        for each in self._find_decided(keys).values():
            self._replace_outcome(hold_decision(each.outcome, AMBIGUOUS))

    def _find_decided(self, keys: Sequence[str]) -> dict[str, _DecidedRow]:
        found = self._db.execute(sql.SELECT_DECIDED_ROWS, (json.dumps(list(keys)),))
        return {
            key: _DecidedRow(
                request_key,
                serialization.row_from_json(row),
                replace(serialization.outcome_from_json(outcome), key=key),
            )
            for key, request_key, row, outcome in found.fetchall()
        }

    def _find_rows(self, keys: Sequence[str]) -> dict[str, _StoredRow]:
        found = self._db.execute(sql.SELECT_ROWS_BY_KEY, (json.dumps(list(keys)),))
        return {
            key: _StoredRow(serialization.row_from_json(row), place, scan_number)
            for key, row, place, scan_number in found.fetchall()
        }

    def _find_set_aside(self, keys: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
        found = self._db.execute(sql.SELECT_SET_ASIDE, (json.dumps(list(keys)),))
        return {(key, picture): (ask, outcome) for key, picture, ask, outcome in found.fetchall()}

    def _set_aside(self, decided: _DecidedRow) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?, ?)",
            (decided.outcome.key, decided.row.picture, decided.request_key,
             serialization.row_to_json(decided.row),
             serialization.outcome_to_json(decided.outcome)),
        )  # fmt: skip

    def _restore(self, row: Row, request_key: str, outcome: str) -> None:
        """The row shows the picture again that a person decided about."""
        state = serialization.outcome_from_json(outcome).alt_source.value
        self._db.execute(
            "UPDATE rows SET ask = ?, state = ?, outcome = ?, written = 0 WHERE key = ?",
            (request_key, state, outcome, row.key),
        )
        self._db.execute(
            "DELETE FROM set_aside WHERE key = ? AND picture = ?", (row.key, row.picture)
        )

    def _replace_outcome(self, outcome: Outcome) -> None:
        self._db.execute(
            "UPDATE rows SET state = ?, outcome = ?, written = 0 WHERE key = ?",
            (outcome.alt_source.value, serialization.outcome_to_json(outcome), outcome.key),
        )


def _number_and_picture(key: str, row: str) -> tuple[Decimal, str] | None:
    try:
        return Decimal(key), serialization.row_from_json(row).picture
    except InvalidOperation:
        return None


def _with_change(row: Row, stored: Row | None) -> Row:
    """The row, with the time at which it was found to show another picture."""
    if stored is None:
        return row
    if stored.shows_same_picture(row):
        return replace(row, picture_changed_at=stored.picture_changed_at)
    return replace(row, picture_changed_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
