"""Table target: writes outcomes back by compare-and-set, so that a person's text always stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.audit_fields import audit_field_names, audit_values, is_writable
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.types import WRITTEN_BY_PEOPLE, AltSource, Outcome
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
                if text:
                    values[name] = self._unless_filled(column, field, text, outcome)
            elif field == "alt":
                # NULL is missing, '' is decorative: a rejected row is missing its text.
                values[name] = None if not is_writable(outcome) and column.nullable else text
            else:
                # NULL if empty: '' is not a valid date.
                values[name] = _as_datetime(column, text) if text else None
        if outcome.is_decided and outcome.alt_source in (AltSource.REJECTED, AltSource.DECORATIVE):
            values |= self._cleared_texts(outcome, further)
        return values

    def _unless_filled(
        self, column: ColumnElement[Any], field: str, text: str, outcome: Outcome
    ) -> ColumnElement[Any]:
        """A further text, set if the column is blank or has the text that an edit replaces.

        Any other text may be a person's.
        """
        import sqlalchemy as sa

        fields = self._options.text_fields()
        replaced = {fields.get((each[0], each[1]), ""): each[3] for each in outcome.edits}
        may_be_set = database.blank_condition(column)
        if field in replaced:
            may_be_set = sa.or_(may_be_set, self._has_text(column, replaced[field]))
        return sa.case((may_be_set, text), else_=column)

    def _cleared_texts(self, outcome: Outcome, further: set[str]) -> dict[str, Any]:
        """Clears the model's further texts of a rejected row; later texts of a person stay.

        Of a decorative image only the alt texts in other locales are cleared, not other styles.
        """
        import sqlalchemy as sa

        values: dict[str, Any] = {}
        fields = self._options.text_fields()
        for pair, text in outcome.texts.items():
            name = self._column_names.get(fields.get(pair, ""))
            if name is None or fields[pair] not in further:
                continue
            if outcome.alt_source is AltSource.DECORATIVE and pair[0] != self._options.styles[0]:
                continue
            column = self._table.columns[name]
            blank = None if column.nullable else ""
            values[name] = sa.case((self._has_text(column, text), blank), else_=column)
        return values

    def _has_text(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        return database.equals_exactly(self.engine, column, text)

    def _may_be_set(self, outcome: Outcome | None = None) -> ColumnElement[bool]:
        """The compare of compare-and-set: the row is blank and not a person's.

        For a decision: or it still has what the reviewer saw.
        """
        import sqlalchemy as sa

        alt = self._table.columns[self._column_names["alt"]]
        seen = outcome.seen_source if outcome is not None and outcome.is_decided else ""
        # A blank row with a person's alt_source was blanked on purpose; a decorative one may be
        # set if the decision is about exactly that.
        is_free = sa.and_(
            database.blank_condition(alt),
            self._is_not_decided({seen} & {AltSource.DECORATIVE.value}),
        )
        if outcome is None or not outcome.draft or seen not in (AltSource.AI, *WRITTEN_BY_PEOPLE):
            return is_free
        is_as_seen = sa.and_(self._has_text(alt, outcome.draft), self._is_not_decided({seen}))
        return sa.or_(is_free, is_as_seen)

    def _is_not_decided(self, seen: set[str]) -> ColumnElement[bool]:
        """Whether `alt_source` is not a person's or decorative, except the values in `seen`."""
        import sqlalchemy as sa

        name = self._column_names.get("alt_source")
        if name is None:
            return sa.true()
        source = sa.func.coalesce(database.as_string(self._table.columns[name]), "")
        decided = {each.value for each in (*WRITTEN_BY_PEOPLE, AltSource.DECORATIVE)}
        return source.not_in(sorted(decided - seen))


def _as_datetime(column: Column[Any], text: str) -> object:
    """A datetime for a date column, the text for a text column."""
    try:
        is_date = column.type.python_type is datetime
    except NotImplementedError:
        is_date = False
    return datetime.fromisoformat(text) if is_date else text
