"""Table target: writes outcomes back by compare-and-set, so that a person's text always stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.audit_fields import (
    audit_field_names,
    audit_values,
    clears_further_texts,
    is_writable,
)
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.types import MACHINE_SOURCES, WRITTEN_BY_PEOPLE, AltSource, Outcome
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Connection, Engine

BATCH_ROWS = 100
"""Rows of one transaction: few, so that editors are locked out for a short time only."""


class TableTarget:
    """Writes outcomes into a table. Writing the same outcome twice changes nothing."""

    def __init__(
        self, engine: Engine, name: str, columns: ColumnMapping, options: CaptionOptions
    ) -> None:
        """Raises UsageError if a column is missing that the alt text needs."""
        self.engine = engine
        self.display_name = f"{database.url_without_password(engine)} {name}"
        self._table = database.reflect_table(engine, name)
        self._options = options
        existing = self._table.columns
        if columns.key not in existing:
            raise UsageError(f"{name} has no column {columns.key!r} to find its rows by.")
        self._key = database.key_expression(engine, existing[columns.key])
        found = {
            field: database.find_column(self._table, columns.target_column(field))
            for field in audit_field_names(options)
        }
        self._column_names = {field: column for field, column in found.items() if column}
        if "alt" not in self._column_names:
            raise UsageError(
                f"{name} has no column for alt texts: name it with --column alt=NAME, or add it "
                f"with altwright backfill init-db. There are: {', '.join(existing.keys())}."
            )

    @property
    def url(self) -> str:
        """The database's URL without the password."""
        return database.url_without_password(self.engine)

    @property
    def has_table_locks(self) -> bool:
        """Whether a lock on one row locks every row, as in SQLite."""
        return self.engine.dialect.name == "sqlite"

    @property
    def missing_fields(self) -> list[str]:
        """Audit fields without a column in the table; the journal stores them."""
        return [name for name in audit_field_names(self._options) if name not in self._column_names]

    def text_fields(self) -> Mapping[tuple[str, str], str]:
        """Style and locale of each text of the run, and its audit field."""
        return self._options.text_fields()

    def max_chars(self) -> Mapping[str, int]:
        """Characters that the column of each audit field takes, if it has a limit."""
        lengths = {
            field: getattr(self._table.columns[name].type, "length", None)
            for field, name in self._column_names.items()
        }
        return {field: length for field, length in lengths.items() if length}

    def find_blank_keys(self, keys: Iterable[str]) -> set[str]:
        """Keys of the rows that may still be written, without those that someone has filled."""
        import sqlalchemy as sa

        key_of = {database.key_value(self._key, key): key for key in keys}
        statement = sa.select(self._key).where(self._key.in_(list(key_of)), self._may_be_set())
        with self.engine.connect() as connection:
            return {key_of[found] for (found,) in connection.execute(statement)}

    def write(self, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """Write outcomes in one transaction. Returns WRITTEN or KEPT by key.

        Raises SQLAlchemy's errors; nothing is written then.
        """
        with database.short_transaction(self.engine) as connection:
            return self.write_in(connection, outcomes)

    def write_in(self, connection: Connection, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """As `write`, in a transaction of the caller."""
        # Always in the same order, so that two writers wait for each other and do not deadlock.
        ordered = sorted(outcomes, key=lambda each: each.key)
        return {each.key: self._write_one(connection, each) for each in ordered}

    def _write_one(self, connection: Connection, outcome: Outcome) -> int:
        import sqlalchemy as sa

        values = self._column_values(outcome)
        is_row = self._key == database.key_value(self._key, outcome.key)
        if not values:
            return WRITTEN
        updated = connection.execute(
            sa.update(self._table).where(is_row, self._may_be_set(outcome)).values(values)
        )
        if updated.rowcount:
            return WRITTEN
        names = [self._column_names["alt"], *filter(None, [self._column_names.get("alt_source")])]
        selected = sa.select(*(self._table.columns[name] for name in names)).where(is_row)
        found = connection.execute(selected).mappings().first()
        # An earlier process may have written it, and been killed before the journal stored that.
        is_own = found is not None and all(
            str(found[name] or "") == (values[name] or "") for name in names if name in values
        )
        return WRITTEN if is_own and names[0] in values else KEPT

    def _column_values(self, outcome: Outcome) -> dict[str, Any]:
        """Column name to the value or SQL expression that is set."""
        texts = audit_values(outcome, self._options)
        further = {*self._options.text_fields().values()} - {"alt"}
        if not is_writable(outcome) and not outcome.is_decided:
            texts = {name: texts[name] for name in ("alt_source", "reasons")}
        values: dict[str, Any] = {}
        for field, text in texts.items():
            name = self._column_names.get(field)
            if name is None:
                continue
            column = self._table.columns[name]
            if field in further:
                continue
            if field == "alt":
                # NULL is missing, '' is decorative: a rejected row is missing its text.
                values[name] = None if not is_writable(outcome) and column.nullable else text
            else:
                # NULL if empty: '' is not a valid date.
                values[name] = _as_datetime(column, text) if text else None
        return values | self._further_texts(outcome)

    def _further_texts(self, outcome: Outcome) -> dict[str, Any]:
        """Column name to expression: set if the column is blank or has the text that is replaced.

        Any other text may be a person's.
        """
        import sqlalchemy as sa

        values: dict[str, Any] = {}
        replaced = {(each[0], each[1]): each[3] for each in outcome.edits}
        is_cleared = clears_further_texts(outcome)
        for pair, name in self._further_columns(outcome).items():
            text = "" if is_cleared else outcome.texts[pair]
            column = self._table.columns[name]
            old = replaced.get(pair, outcome.texts[pair])
            may_be_set = self._has_text(column, old)
            if text:
                is_blank = database.blank_condition(column)
                may_be_set = sa.or_(is_blank, may_be_set) if pair in replaced else is_blank
            elif not is_cleared and pair not in replaced:
                continue
            new = text or (None if column.nullable else "")
            values[name] = sa.case((may_be_set, new), else_=column)
        return values

    def find_kept_texts(self, outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
        """Fields of decided rows whose further text is not as decided, by key.

        Somebody has filled or changed them in the table: theirs stay.
        """
        import sqlalchemy as sa

        kept: dict[str, list[str]] = {}
        with self.engine.connect() as connection:
            for outcome in outcomes:
                is_cleared = clears_further_texts(outcome)
                columns = self._further_columns(outcome)
                if not columns or not (outcome.edits or is_cleared):
                    continue
                found = connection.execute(
                    sa.select(*(self._table.columns[name] for name in columns.values())).where(
                        self._key == database.key_value(self._key, outcome.key)
                    )
                ).first()
                wanted = {} if is_cleared else outcome.texts
                edited = {(each[0], each[1]) for each in outcome.edits}
                decided = set(columns) if is_cleared else edited
                for (pair, _), value in zip(columns.items(), found or (), strict=False):
                    if pair in decided and str(value or "") != wanted.get(pair, ""):
                        kept.setdefault(outcome.key, []).append(self._options.text_fields()[pair])
        return kept

    def _further_columns(self, outcome: Outcome) -> dict[tuple[str, str], str]:
        """Style and locale to column name of the further texts that an outcome may set."""
        if not (is_writable(outcome) or outcome.is_decided):
            return {}
        fields = self._options.text_fields()
        names = {
            pair: self._column_names.get(fields[pair], "")
            for pair in outcome.texts
            if fields.get(pair, "alt") != "alt"
        }
        return {pair: name for pair, name in names.items() if name}

    def _has_text(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        return database.equals_exactly(self.engine, column, text)

    def _may_be_set(self, outcome: Outcome | None = None) -> ColumnElement[bool]:
        """The compare of compare-and-set: the row is blank and not a person's.

        For a decision: or it still has what the reviewer saw.
        """
        import sqlalchemy as sa

        alt = self._table.columns[self._column_names["alt"]]
        seen = outcome.seen_source if outcome is not None and outcome.is_decided else ""
        is_reviewed_as_seen = self._is_reviewed_as_seen(outcome)
        # A blank row with a person's alt_source was blanked on purpose; a decorative one may be
        # set if the decision is about exactly that.
        is_free = sa.and_(
            database.blank_condition(alt),
            self._is_machines({seen} & {AltSource.DECORATIVE.value}),
            is_reviewed_as_seen,
        )
        if outcome is None or not outcome.draft or seen not in (AltSource.AI, *WRITTEN_BY_PEOPLE):
            return is_free
        is_as_seen = sa.and_(
            self._has_text(alt, outcome.draft), self._is_machines({seen}), is_reviewed_as_seen
        )
        return sa.or_(is_free, is_as_seen)

    def _is_machines(self, seen: set[str]) -> ColumnElement[bool]:
        """Whether `alt_source` is a machine's or one of `seen`; every other value is a person's."""
        import sqlalchemy as sa

        name = self._column_names.get("alt_source")
        if name is None:
            return sa.true()
        return database.source_condition(self._table.columns[name], [*MACHINE_SOURCES, *seen])

    def _is_reviewed_as_seen(self, outcome: Outcome | None) -> ColumnElement[bool]:
        """Whether the row has no review date, or the one that the reviewer saw."""
        import sqlalchemy as sa

        name = self._column_names.get("alt_reviewed_at")
        if name is None:
            return sa.true()
        column = self._table.columns[name]
        if outcome is None or not outcome.seen_reviewed_at:
            return database.blank_condition(column)
        if not isinstance(_as_datetime(column, outcome.seen_reviewed_at), str):
            return sa.true()  # dates come back in the zone and precision of their column
        is_same = self._has_text(column, outcome.seen_reviewed_at)
        return sa.or_(database.blank_condition(column), is_same)


def _as_datetime(column: Column[Any], text: str) -> object:
    """A datetime for a date column, the text for a text column."""
    try:
        is_date = column.type.python_type is datetime
    except NotImplementedError:
        is_date = False
    return datetime.fromisoformat(text) if is_date else text
