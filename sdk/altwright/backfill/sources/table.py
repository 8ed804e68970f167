"""Table source: a database table, or the result of a query, read in pages by its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.types import REQUESTABLE_SOURCES
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine, FromClause, Select

_PAGE_ROWS = 1_000
"""Rows of one SELECT."""


class TableSource:
    """A table or query, read by `WHERE key > last ORDER BY key LIMIT n` (keyset pagination).

    The queries are short, and no page is skipped if rows are added or removed meanwhile, as it
    would be with OFFSET.
    """

    notes: Sequence[str] = ()

    def __init__(self, engine: Engine, *, name: str = "", query: str = "") -> None:
        """A table by its name, or a query. Raises UsageError."""
        self._engine = engine
        self._name = name or "a query"
        self._from = _subquery(engine, query) if query else database.reflect_table(engine, name)
        self.columns: Sequence[str] = [column.name for column in self._from.columns]
        keys = [column.name for column in self._from.primary_key]
        self.primary_key: str | None = keys[0] if len(keys) == 1 else None
        self._query = query
        self._blank_rows: ColumnElement[bool] | None = None

    @property
    def display_name(self) -> str:
        """The database and the table, or the query."""
        return f"{database.url_without_password(self._engine)} {self._query or self._name}"

    def set_columns(self, columns: ColumnMapping, *, only_blank: bool) -> int:
        """Set the column mapping. With `only_blank`, `read` leaves out rows with an alt text.

        Returns how many rows are left out. Raises UsageError if there is no key, or if it is not
        unique.
        """
        import sqlalchemy as sa

        if not columns.key:
            raise UsageError(
                f"{self._name} has no primary key of one column: name a unique one with "
                f"--column key=NAME. There are: {', '.join(self.columns)}."
            )
        key = self._from.columns[columns.key]
        self._key, self._key_name = self._untyped(key), columns.key
        if columns.key != self.primary_key:
            duplicates = sa.select(key).group_by(key).having(sa.func.count() > 1).limit(1)
            with database.read_connection(self._engine) as connection:
                if (found := connection.execute(duplicates).first()) is not None:
                    raise UsageError(
                        f"{columns.key!r} is not a unique key: {found[0]!r} is there twice."
                    )
        if not only_blank:
            return 0
        self._blank_rows = self._blank_rows_condition(columns)
        others = sa.select(sa.func.count()).select_from(self._from)
        with database.read_connection(self._engine) as connection:
            left_out = connection.execute(others.where(sa.not_(self._blank_rows)))
            return int(left_out.scalar_one())

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every row, or the blank ones. A transaction lasts for one page."""
        page = self._select().order_by(self._key).limit(_PAGE_ROWS)
        if self._blank_rows is not None:
            page = page.where(self._blank_rows)
        last_key: Any = None
        while True:
            with self._engine.connect() as connection:
                statement = page if last_key is None else page.where(self._key > last_key)
                rows = connection.execute(statement).mappings().all()
            for values in rows:
                last_key = values[self._key_name]
                yield Record(0, dict(values))
            if len(rows) < _PAGE_ROWS:
                return

    def read_one(self, key_column: str, key: str) -> Mapping[str, object] | None:
        """The row with this key; None if there is none."""
        column = database.key_expression(self._engine, self._from.columns[key_column])
        statement = self._select().where(column == database.key_value(column, key))
        with self._engine.connect() as connection:
            found = connection.execute(statement).mappings().first()
        return None if found is None else dict(found)

    def _select(self) -> Select[Any]:
        import sqlalchemy as sa

        return sa.select(*(self._untyped(each).label(each.name) for each in self._from.columns))

    def _untyped(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """In SQLite the column without its type: a column of dates may hold numbers or any text."""
        import sqlalchemy as sa

        if self._engine.dialect.name != "sqlite":
            return column
        return sa.type_coerce(column, sa.types.NullType())

    def _blank_rows_condition(self, columns: ColumnMapping) -> ColumnElement[bool]:
        import sqlalchemy as sa

        conditions: list[ColumnElement[bool]] = [sa.true()]
        if columns.alt:
            conditions.append(database.blank_condition(self._from.columns[columns.alt]))
        if columns.alt_source:
            source = self._from.columns[columns.alt_source]
            conditions.append(database.source_condition(source, REQUESTABLE_SOURCES))
        reviewed_at = database.find_column(self._from, columns.target_column("alt_reviewed_at"))
        if reviewed_at is not None:
            conditions.append(database.blank_condition(self._from.columns[reviewed_at]))
        return sa.and_(*conditions)


def _subquery(engine: Engine, query: str) -> FromClause:
    import sqlalchemy as sa

    # Colons are escaped: SQLAlchemy would take them for parameters. The line break ends a comment
    # at the query's end.
    escaped = query.strip().rstrip(";").replace(":", r"\:") + "\n"
    no_rows = sa.text(f"SELECT * FROM ({escaped}) AS found WHERE 1 = 0")  # noqa: S608 - the user's own
    try:
        with engine.connect() as connection:
            names = list(connection.execute(no_rows).keys())
    except sa.exc.DBAPIError as error:
        raise database.as_source_error("The query does not run", error) from None
    return sa.text(escaped).columns(*(sa.column(name) for name in names)).subquery("found")
