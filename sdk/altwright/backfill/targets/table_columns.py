"""Columns of a target table: which audit field has which one, and how its value is written.

A column that only has the name of an audit field may be the user's own: `reasons` of a sale,
`alt_model` of a product. It is written if `init-db` made it or `--column` names it, whatever its
rows have: values change, and with them would whose column it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.audit_fields import AMBIGUOUS_FIELDS, ROLE_FIELDS, audit_field_names
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.text_conditions import (
    equals_exactly,
    has_no_date,
    is_blank,
    is_one_of,
)
from altwright.backfill.types import MACHINE_SOURCES, AltSource
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Engine, Table

MARK = "altwright"
"""A column that `init-db` made: its comment is this and the field's name, as `altwright: reasons`;
in SQLite it has a constraint, as `altwright_reasons`."""
_SQLITE_MARK = re.compile(
    r"""(?:"(?P<quoted>[^"]+)"|`(?P<in_ticks>[^`]+)`|\[(?P<in_brackets>[^\]]+)\]|(?P<plain>\w+))"""
    rf"""\s+\w+\s*(?:\(\s*\d+\s*\)\s*)?\bCONSTRAINT\s+["`\[]?{MARK}_(?P<field>\w+)["`\]]?"""
)
"""A marked column in the statement that made its table."""


class TargetColumns:
    """The columns of a table that a run may write, and the conditions for it."""

    def __init__(
        self, engine: Engine, table: Table, columns: ColumnMapping, options: CaptionOptions
    ) -> None:
        """Raises UsageError if there is no column for alt texts."""
        self._engine = engine
        self._table = table
        self._options = options
        columns.check_target_columns(audit_field_names(options))
        found = {
            field: database.find_column(table, columns.target_column(field))
            for field in audit_field_names(options)
        }
        self._names = {field: column for field, column in found.items() if column}
        if "alt" not in self._names:
            raise UsageError(
                f"{table.name} has no column for alt texts: name it with --column alt=NAME, or add "
                f"it with altwright backfill init-db. There are: {', '.join(table.columns.keys())}."
            )
        marked = {*columns.named, *self._find_marked()}
        self.users_own = [
            field for field in AMBIGUOUS_FIELDS if field in self._names and field not in marked
        ]
        """Fields whose columns are taken for the user's own: never written."""
        self.shared = {
            field: column
            for field, column in self._names.items()
            if field not in (*AMBIGUOUS_FIELDS, *ROLE_FIELDS) and field not in marked
        }
        """Fields, and their columns, that only blank cells are filled in: they have no mark."""
        for field in self.users_own:
            del self._names[field]
        # Built once: a run writes thousands of rows with the same conditions.
        self.may_replace = {field: self._may_replace(field) for field in self._names}
        """When a field's column may be set in a row that may be written; None: always."""
        self.is_blank = {field: is_blank(self.column(field)) for field in self._names}
        self._is_machines = self._has_source(MACHINE_SOURCES)

    @property
    def missing_fields(self) -> list[str]:
        """Audit fields that are not written: the journal alone stores them."""
        return [name for name in audit_field_names(self._options) if name not in self._names]

    def __contains__(self, field: str) -> bool:
        return field in self._names

    def column(self, field: str) -> Column[Any]:
        """The column of a field that is `in` these columns."""
        return self._table.columns[self._names[field]]

    def max_chars(self) -> Mapping[str, int]:
        """Characters that the column of each audit field takes, if it has a limit."""
        lengths = {field: getattr(self.column(field).type, "length", None) for field in self._names}
        return {field: length for field, length in lengths.items() if length}

    def literal(self, field: str, text: str) -> ColumnElement[Any] | None:
        """A text for a field's column; None if it is empty and the column cannot be.

        Without SQLAlchemy's type of the column: the database converts the text.
        """
        import sqlalchemy as sa

        column = self.column(field)
        if not text:
            if column.nullable:
                return sa.null()
            takes_text = database.python_type(column) in (str, None)
            is_text = takes_text and not isinstance(column.type, sa.Enum)
            return self.empty_text if is_text else None
        if field == "alt_reviewed_at":
            return self._date(column, text)
        if field in AMBIGUOUS_FIELDS:
            text = text[: self.max_chars().get(field)]
        return sa.literal(text, database.untyped_text())

    @property
    def empty_text(self) -> ColumnElement[Any]:
        """An empty text that is not NULL."""
        import sqlalchemy as sa

        return sa.literal("", database.untyped_text())

    def _may_replace(self, field: str) -> ColumnElement[bool] | None:
        import sqlalchemy as sa

        if field != "alt_reviewed_at":
            return None
        is_free = has_no_date(self.column(field))
        if "alt_source" not in self:
            return is_free
        return sa.or_(is_free, is_one_of(self.column("alt_source"), _OWN_SOURCES))

    def is_machines(self, seen: Iterable[str] = ()) -> ColumnElement[bool]:
        """Whether `alt_source` is a machine's or one of `seen`; every other value is a person's."""
        values = {*MACHINE_SOURCES, *seen}
        return self._is_machines if values == {*MACHINE_SOURCES} else self._has_source(values)

    @property
    def has_no_source(self) -> ColumnElement[bool]:
        """Whether `alt_source` says nothing; always, where there is no such column."""
        return self._has_source({""})

    def _has_source(self, values: Iterable[str]) -> ColumnElement[bool]:
        import sqlalchemy as sa

        if "alt_source" not in self:
            return sa.true()
        return is_one_of(self.column("alt_source"), values)

    def is_reviewed_as_seen(self, seen_reviewed_at: str = "") -> ColumnElement[bool]:
        """Whether the row has no review date, or the one that the reviewer saw."""
        import sqlalchemy as sa

        if "alt_reviewed_at" not in self:
            return sa.true()
        column = self.column("alt_reviewed_at")
        if not seen_reviewed_at:
            return has_no_date(column)
        if database.python_type(column) in (date, datetime):
            return sa.true()  # dates come back in the zone and precision of their column
        is_same = equals_exactly(self._engine, column, seen_reviewed_at)
        return sa.or_(has_no_date(column), is_same)

    def _date(self, column: Column[Any], text: str) -> ColumnElement[Any]:
        """A time in UTC. Only MySQL reads it with the server's zone, unless told otherwise."""
        import sqlalchemy as sa

        moment = datetime.fromisoformat(text)
        if self._engine.dialect.name in ("mysql", "mariadb"):
            if isinstance(column.type, sa.types.TIMESTAMP):
                return sa.func.from_unixtime(moment.timestamp())
            if isinstance(column.type, (sa.DateTime, sa.Date)):
                chars = 19 if isinstance(column.type, sa.DateTime) else 10
                return sa.literal(text[:chars].replace("T", " "), sa.String())
        return sa.literal(text, database.untyped_text())

    def _find_marked(self) -> set[str]:
        """Fields whose column has the mark of that field: a column may have got another name."""
        if self._engine.dialect.name == "sqlite":
            return self._find_marked_in_sqlite()
        comments = {field: self.column(field).comment or "" for field in self._names}
        return {field for field, comment in comments.items() if comment == f"{MARK}: {field}"}

    def _find_marked_in_sqlite(self) -> set[str]:
        import sqlalchemy as sa

        schema = f'"{self._table.schema}".' if self._table.schema else ""
        definition = sa.text(
            f"SELECT sql FROM {schema}sqlite_master WHERE lower(name) = lower(:name)"  # noqa: S608
            " AND type = 'table'"
        )
        with database.read_connection(self._engine) as connection:
            found = connection.execute(definition, {"name": self._table.name}).scalar() or ""
        marked = {
            (each["quoted"] or each["in_ticks"] or each["in_brackets"] or each["plain"],
             each["field"])
            for each in _SQLITE_MARK.finditer(found)
        }  # fmt: skip
        return {field for field, column in self._names.items() if (column, field) in marked}


_OWN_SOURCES = tuple(each for each in AltSource if each is not AltSource.PENDING)
