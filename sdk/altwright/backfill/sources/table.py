"""A table, or what a query finds, in pages by its key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.types import SETTLED_SOURCES
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine, FromClause, Select

PAGE = 1_000
"""Rows of one SELECT."""


class TableSource:
    """Read by `WHERE key > last ORDER BY key LIMIT n`: short queries, and no page is skipped when
    rows come or go meanwhile, as OFFSET would do."""

    notes: Sequence[str] = ()

    def __init__(self, engine: Engine, *, name: str = "", query: str = "") -> None:
        """A table by its name, or a query. Raises UsageError with one sentence."""
        self._engine = engine
        self._what = name or "a query"
        self._from = _from_query(engine, query) if query else database.reflect_table(engine, name)
        self.columns: Sequence[str] = [column.name for column in self._from.columns]
        keys = [column.name for column in self._from.primary_key]
        self.primary_key: str | None = keys[0] if len(keys) == 1 else None
        self._query = query
        self._only: ColumnElement[bool] | None = None

    @property
    def shown(self) -> str:
        """The database and the table, or the query."""
        return f"{database.url_without_password(self._engine)} {self._query or self._what}"

    def use(self, columns: ColumnMapping, *, only_blank: bool) -> int:
        """What the columns mean; with `only_blank` others are not read. How many others there are.

        Raises UsageError where there is no key, or where it is not unique.
        """
        import sqlalchemy as sa

        if not columns.key:
            raise UsageError(
                f"{self._what} has no primary key of one column: name a unique one with "
                f"--column key=NAME. There are: {', '.join(self.columns)}."
            )
        key = self._from.columns[columns.key]
        self._key, self._key_name = self._as_it_is(key), columns.key
        if columns.key != self.primary_key:
            twice = sa.select(key).group_by(key).having(sa.func.count() > 1).limit(1)
            with database.read_connection(self._engine) as connection:
                if (found := connection.execute(twice).first()) is not None:
                    raise UsageError(f"{columns.key!r} is no key: {found[0]!r} is there twice.")
        if not only_blank:
            return 0
        self._only = self._blank(columns)
        others = sa.select(sa.func.count()).select_from(self._from).where(sa.not_(self._only))
        with database.read_connection(self._engine) as connection:
            return int(connection.execute(others).scalar_one())

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every row, or the blank ones; a transaction lasts for one page."""
        page = self._everything().order_by(self._key).limit(PAGE)
        if self._only is not None:
            page = page.where(self._only)
        last: Any = None
        while True:
            with self._engine.connect() as connection:
                wanted = page if last is None else page.where(self._key > last)
                found = connection.execute(wanted).mappings().all()
            for values in found:
                last = values[self._key_name]
                yield Record(0, dict(values))
            if len(found) < PAGE:
                return

    def one(self, key_column: str, key: str) -> Mapping[str, object] | None:
        """The row of one key; None where there is none."""
        column = database.key_expression(self._engine, self._from.columns[key_column])
        wanted = self._everything().where(column == database.key_value(column, key))
        with self._engine.connect() as connection:
            found = connection.execute(wanted).mappings().first()
        return None if found is None else dict(found)

    def _everything(self) -> Select[Any]:
        import sqlalchemy as sa

        return sa.select(*(self._as_it_is(each).label(each.name) for each in self._from.columns))

    def _as_it_is(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """SQLite's types are promises that nobody keeps: a date may be a number, or no date."""
        import sqlalchemy as sa

        if self._engine.dialect.name != "sqlite":
            return column
        return sa.type_coerce(column, sa.types.NullType())

    def _blank(self, columns: ColumnMapping) -> ColumnElement[bool]:
        import sqlalchemy as sa

        conditions: list[ColumnElement[bool]] = [sa.true()]
        if columns.alt:
            conditions.append(database.blank_condition(self._from.columns[columns.alt]))
        if columns.alt_source:
            source = self._from.columns[columns.alt_source]
            settled = [each.value for each in SETTLED_SOURCES]
            words = sa.func.coalesce(database.as_string(source), "")
            conditions.append(words.not_in(settled))
        return sa.and_(*conditions)


def _from_query(engine: Engine, query: str) -> FromClause:
    import sqlalchemy as sa

    # A colon is theirs, and no parameter of ours.
    # It may end in a comment, which must not swallow what comes after it.
    bare = query.strip().rstrip(";").replace(":", r"\:") + "\n"
    looked = sa.text(f"SELECT * FROM ({bare}) AS found WHERE 1 = 0")  # noqa: S608 - theirs to write
    try:
        with engine.connect() as connection:
            names = list(connection.execute(looked).keys())
    except sa.exc.DBAPIError as error:
        raise database.as_source_error("The query does not run", error) from None
    return sa.text(bare).columns(*(sa.column(name) for name in names)).subquery("found")
