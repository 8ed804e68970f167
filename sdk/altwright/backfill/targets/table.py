"""Write-back into the table of the source, by compare-and-set: a person's text always stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from altwright.backfill import audit_fields, database
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.types import WRITTEN_BY_PEOPLE, AltSource, Outcome
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Connection, Engine

BATCH = 100
"""Rows of one transaction: short, so that editors hardly wait."""


class TableTarget:
    """Writes outcomes; each batch is a transaction; repeated, it changes nothing."""

    def __init__(
        self, engine: Engine, name: str, columns: ColumnMapping, asked: CaptionOptions
    ) -> None:
        """Raises UsageError where a column is missing that the alt text needs."""
        self._engine = engine
        self._table = database.reflect_table(engine, name)
        self._asked = asked
        self._columns = columns
        self.shown = f"{database.url_without_password(engine)} {name}"
        there = self._table.columns
        if columns.key not in there:
            raise UsageError(f"{name} has no column {columns.key!r} to find its rows by.")
        self._key = database.key_expression(engine, there[columns.key])
        named = {
            field: database.find_column(self._table, columns.named(field))
            for field in audit_fields.audit_field_names(asked)
        }
        self._names = {field: name for field, name in named.items() if name is not None}
        if "alt" not in self._names:
            raise UsageError(
                f"{name} has no column for alt texts: name it with --column alt=NAME, or add it "
                f"with altwright backfill init-db. There are: {', '.join(there.keys())}."
            )

    @property
    def engine(self) -> Engine:
        """The database's."""
        return self._engine

    @property
    def url(self) -> str:
        """The database's, without a password."""
        return database.url_without_password(self._engine)

    @property
    def locks_as_a_whole(self) -> bool:
        """Whether who holds one row holds them all, as in SQLite."""
        return self._engine.dialect.name == "sqlite"

    @property
    def missing(self) -> list[str]:
        """Audit fields that the table has no column for; they stay in the journal alone."""
        return [
            name for name in audit_fields.audit_field_names(self._asked) if name not in self._names
        ]

    def room(self) -> Mapping[str, int]:
        """Characters that each field's column takes, where it has a bound."""
        lengths = {
            field: getattr(self._table.columns[name].type, "length", None)
            for field, name in self._names.items()
        }
        return {field: length for field, length in lengths.items() if length}

    def still_blank(self, keys: Iterable[str]) -> set[str]:
        """Those that nobody has filled meanwhile: the others need not be paid for."""
        import sqlalchemy as sa

        typed = {database.key_value(self._key, key): key for key in keys}
        wanted = sa.select(self._key).where(self._key.in_(list(typed)), self._may_be_set())
        with self._engine.connect() as connection:
            return {typed[found] for (found,) in connection.execute(wanted)}

    def write(self, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """Each key with WRITTEN or KEPT, after the commit; all in one transaction.

        Raises sqlalchemy's errors: nothing is written then.
        """
        with database.short_transaction(self._engine) as connection:
            return self.write_in(connection, outcomes)

    def write_in(self, connection: Connection, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """The same in a transaction that somebody else ends."""
        # In one order everywhere, so that two writers wait for each other and do not deadlock.
        ordered = sorted(outcomes, key=lambda each: each.key)
        return {each.key: self._write_one(connection, each) for each in ordered}

    def _write_one(self, connection: Connection, outcome: Outcome) -> int:
        import sqlalchemy as sa

        values = self._values(outcome)
        here = self._key == database.key_value(self._key, outcome.key)
        if not values:
            return WRITTEN
        changed = connection.execute(
            sa.update(self._table).where(here, self._may_be_set(outcome)).values(values)
        )
        if changed.rowcount:
            return WRITTEN
        alt, source = self._names["alt"], self._names.get("alt_source")
        looked = [self._table.columns[name] for name in (alt, source) if name]
        found = connection.execute(sa.select(*looked).where(here)).mappings().first()
        # Written before, and killed before the journal knew?
        is_ours = found is not None and all(
            str(found[name] or "") == (values[name] or "")
            for name in (alt, source)
            if name in values
        )
        return WRITTEN if is_ours and alt in values else KEPT

    def _values(self, outcome: Outcome) -> dict[str, Any]:
        import sqlalchemy as sa

        told = audit_fields.audit_values(outcome, self._asked)
        further = {*self._asked.fields().values()} - {"alt"}
        fields = self._asked.fields()
        replaced = {fields.get((each[0], each[1]), ""): each[3] for each in outcome.edits}
        is_writable = audit_fields.is_writable(outcome)
        if not is_writable and not outcome.is_decided:
            told = {name: told[name] for name in ("alt_source", "reasons")}
        found: dict[str, Any] = {}
        for field, text in told.items():
            name = self._names.get(field)
            if name is None:
                continue
            column = self._table.columns[name]
            if field in further:
                # Perhaps a person's: only what is blank is set, or what an edit is of, unread.
                if text:
                    free = database.blank_condition(column)
                    if field in replaced:
                        free = sa.or_(free, self._is(column, replaced[field]))
                    found[name] = sa.case((free, text), else_=column)
            elif field == "alt":
                # NULL is missing, '' is decorative: a person who leaves it blank means the first.
                found[name] = None if not is_writable and column.nullable else text
            else:
                # NULL where there is nothing: '' is no date.
                found[name] = _moment(column, text) if text else None
        if outcome.is_decided and outcome.alt_source in (AltSource.REJECTED, AltSource.DECORATIVE):
            found |= self._without_the_models(outcome, further)
        return found

    def _without_the_models(self, outcome: Outcome, further: set[str]) -> dict[str, Any]:
        """Who rejects a row wants none of its texts; those that a person wrote since stay.

        Of what is decorative no language has an alt text; what search engines read stays.
        """
        import sqlalchemy as sa

        found: dict[str, Any] = {}
        fields = self._asked.fields()
        for pair, text in outcome.texts.items():
            name = self._names.get(fields.get(pair, ""))
            if name is None or fields[pair] not in further:
                continue
            if outcome.alt_source is AltSource.DECORATIVE and pair[0] != self._asked.styles[0]:
                continue
            column = self._table.columns[name]
            gone = None if column.nullable else ""
            found[name] = sa.case((self._is(column, text), gone), else_=column)
        return found

    def _is(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        return database.equals_exactly(self._engine, column, text)

    def _may_be_set(self, outcome: Outcome | None = None) -> ColumnElement[bool]:
        """Blank and nobody's; for a person's decision: or still what that person saw."""
        import sqlalchemy as sa

        alt = self._table.columns[self._names["alt"]]
        seen = outcome.seen_source if outcome is not None and outcome.is_decided else ""
        # What is blank and a person's own was made so on purpose, whoever that person was.
        free = sa.and_(
            database.blank_condition(alt), self._is_not_by({seen} & {AltSource.DECORATIVE.value})
        )
        if outcome is None or not outcome.draft or seen not in (AltSource.AI, *WRITTEN_BY_PEOPLE):
            return free
        return sa.or_(free, sa.and_(self._is(alt, outcome.draft), self._is_not_by({seen})))

    def _is_not_by(self, known: set[str]) -> ColumnElement[bool]:
        """Nobody else decided; `known` is the `alt_source` of what the decision is about."""
        import sqlalchemy as sa

        name = self._names.get("alt_source")
        if name is None:
            return sa.true()
        words = sa.func.coalesce(database.as_string(self._table.columns[name]), "")
        # Decorative is blank on purpose, as somebody else decided.
        theirs = {each.value for each in (*WRITTEN_BY_PEOPLE, AltSource.DECORATIVE)}
        return words.not_in(sorted(theirs - known))


def _moment(column: Column[Any], text: str) -> object:
    """A date for a column of dates, the text for one of text."""
    from datetime import datetime

    try:
        is_date = column.type.python_type is datetime
    except NotImplementedError:
        is_date = False
    return datetime.fromisoformat(text) if is_date else text
