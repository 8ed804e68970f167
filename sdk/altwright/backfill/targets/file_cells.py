"""File cells: which cells of a record an outcome sets in a new file, and which belong to others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from altwright.backfill.audit_fields import (
    AMBIGUOUS_FIELDS,
    ROLE_FIELDS,
    audit_field_names,
    audit_values,
    clears_further_texts,
    is_writable,
)
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping, cell_to_text, is_blank
from altwright.backfill.rules.outcome_rules import missing_character, outcome_before_decision
from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome, RequestResult


@dataclass(frozen=True, slots=True)
class FileCells:
    """What may be set in the records of one source.

    A column is ours if an earlier backfill has added it (the journal of that run, or a marker in
    the file, says so), if this run adds it, or if the user named it for the field. In any other
    column nothing but blank cells is set, and in one that is only named like ours, nothing at all.
    """

    columns: ColumnMapping
    options: CaptionOptions
    source_columns: Sequence[str]
    added_before: Collection[str] = frozenset()
    """Columns of the source that an earlier backfill has added."""
    is_file: bool = True
    """Whether the source is a file: a table's columns of these names come from `init-db`."""
    encoding: str = ""
    """A codec that may lack characters; empty if every text fits."""

    @property
    def foreign_columns(self) -> list[str]:
        """Columns of somebody else that have the name of an audit field."""
        return [
            column
            for field in AMBIGUOUS_FIELDS
            if self.is_file
            and (column := self.columns.target_column(field)) in self.source_columns
            and column not in self.added_before
            and field not in self.columns.named
        ]

    @property
    def shared_columns(self) -> dict[str, str]:
        """Audit field to a column that was there before: its blank cells alone are filled."""
        return {
            field: column
            for field in audit_field_names(self.options)
            if self.is_file
            and field not in (*AMBIGUOUS_FIELDS, *ROLE_FIELDS)
            and (column := self.columns.target_column(field)) in self.source_columns
            and column not in self.added_before
            and field not in self.columns.named
        }

    @property
    def set_columns(self) -> list[str]:
        """Columns that may be set, in the order of a new file."""
        fields = audit_field_names(self.options)
        names = dict.fromkeys(self.columns.target_column(field) for field in fields)
        foreign = self.foreign_columns
        return [name for name in names if name and name not in foreign]

    @property
    def new_columns(self) -> list[str]:
        """Columns that the source lacks."""
        return [name for name in self.set_columns if name not in self.source_columns]

    def cells_of_pending(self) -> dict[str, str]:
        """Of a record without an outcome."""
        column = self.columns.target_column("alt_source")
        return {column: AltSource.PENDING.value} if column else {}

    def cells_of_conflict(
        self, key: str, first_line: int, values: Mapping[str, object]
    ) -> dict[str, str]:
        """Of a record with the key of another one: nothing is asked about it."""
        reason = f"line {first_line} has this key, too, and another picture or context"
        outcome = Outcome(key, AltSource.FAILED, RequestResult(), reasons=(reason,))
        return self.cells_of(outcome, values)

    def cells_of(self, outcome: Outcome, values: Mapping[str, object]) -> dict[str, str]:
        """Column to text. Cells that may be a person's are left out."""
        outcome = self.writable_part(outcome)
        texts = {*self.options.text_fields().values()} - {"alt"}
        foreign = self.foreign_columns
        cells: dict[str, str] = {}
        for field, text in audit_values(outcome, self.options).items():
            column = self.columns.target_column(field)
            if not column or column in foreign:
                continue
            is_known = column in self.source_columns and values.get(column) is not None
            if field == "alt":
                # An alt text that nobody may write stays as blank as it is.
                if is_known and not text and outcome.alt_source is not AltSource.DECORATIVE:
                    continue
            elif field != "alt_source" and column in self.source_columns:
                is_own = column in self.added_before and field not in texts
                if not is_blank(values.get(column)) and not is_own:
                    continue
                if is_known and not text and is_blank(values.get(column)):
                    continue
            cells[column] = self._encodable(text)
        return cells

    def kept_fields(self, outcome: Outcome, values: Mapping[str, object]) -> list[str]:
        """Fields of a decided row whose further text is not as decided: the source has another."""
        is_cleared = clears_further_texts(outcome)
        edited = {(each[0], each[1]) for each in outcome.edits}
        kept: list[str] = []
        for pair, field in self.options.text_fields().items():
            value = values.get(self.columns.target_column(field))
            wanted = "" if is_cleared else outcome.texts.get(pair, "")
            is_decided = outcome.is_decided and (is_cleared or pair in edited)
            if field != "alt" and is_decided and not is_blank(value):
                kept += [field] if cell_to_text(value) != wanted else []
        return kept

    def writable_part(self, outcome: Outcome) -> Outcome:
        """The outcome, or what takes its place where the file cannot hold its texts."""
        missing = self.missing_character(outcome)
        if not missing:
            return outcome
        before = outcome_before_decision(outcome) if outcome.is_decided else None
        if before is not None and not self.missing_character(before):
            return before
        reason = f"{HELD_PREFIX}the file's encoding, {self.encoding}, has no {missing!r}"
        return replace(
            outcome, alt_source=AltSource.UNCERTAIN, alt="", alt_reviewed_at="",
            reasons=(reason, *outcome.reasons),
        )  # fmt: skip

    def missing_character(self, outcome: Outcome) -> str:
        """The first character of its texts that the file's encoding lacks."""
        if not self.encoding or not is_writable(outcome):
            return ""
        for text in (outcome.alt, *outcome.texts.values()):
            if missing := missing_character(text, self.encoding):
                return missing
        return ""

    def _encodable(self, text: str) -> str:
        """The text, with question marks for what an audit field cannot hold."""
        if not self.encoding:
            return text
        return text.encode(self.encoding, "replace").decode(self.encoding)
