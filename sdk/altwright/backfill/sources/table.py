"""Table source: a database table, or the result of a query, read in pages by its key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from altwright.backfill import database
from altwright.backfill.column_mapping import (
    CONTEXT_CHARS,
    VALUE_CHARS,
    ColumnMapping,
    cell_to_text,
    guess_columns,
)
from altwright.backfill.database_errors import as_source_error, error_text, is_row_refused
from altwright.backfill.key_column import open_key_column
from altwright.backfill.recorded_columns import find_recorded
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.sources.cells import selected_cell
from altwright.backfill.text_conditions import has_no_date, is_blank, is_one_of
from altwright.backfill.types import REQUESTABLE_SOURCES
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Select

_FIRST_PAGE_ROWS, _MAX_PAGE_ROWS = 50, 1_000
"""Rows of one SELECT: a few until it is known how large they are."""
_PAGE_CHARS = 2_000_000
"""Characters of a page that should not be exceeded: images may be `data:` URLs."""
_TAGS_CHARS = 10_000


class TableSource:
    """A table or query, read by `WHERE key > last ORDER BY key LIMIT n` (keyset pagination).

    The queries are short, and no page is skipped if rows are added or removed meanwhile, as it
    would be with OFFSET.
    """

    notes: Sequence[str] = ()

    def __init__(
        self, engine: Engine, *, name: str = "", query: str = "", written_to: str = ""
    ) -> None:
        """A table by its name, or a query, perhaps with the table that its texts are written to.

        Raises UsageError.
        """
        self._engine = engine
        self._name = name or "a query"
        self._from = _subquery(engine, query) if query else database.reflect_table(engine, name)
        self.columns: Sequence[str] = [column.name for column in self._from.columns]
        declared = database.reflect_table(engine, written_to) if written_to else self._from
        self._declared = declared
        self._primary_key = keys = [column.name for column in declared.primary_key]
        is_known = len(keys) == 1 and keys[0] in self.columns
        self.primary_key: str | None = keys[0] if is_known else None
        """Of a query it need not be unique: a join may repeat it."""
        self._query = query
        self._blank_rows: ColumnElement[bool] | None = None
        self._max_chars: Mapping[str, int | None] = {}
        self.without_image = 0
        """Rows without an alt text that name no image; `read` leaves them out."""

    @property
    def display_name(self) -> str:
        """The database and the table, or the query."""
        return f"{database.url_without_password(self._engine)} {self._query or self._name}"

    def guess_columns(self, roles: Sequence[str], recorded: Sequence[str] = ()) -> ColumnMapping:
        """The mapping by the names of its columns; `ROLE=NAME` in `roles` overrides the guess, and
        in `recorded` stands what the run has taken before.

        Of a primary key of several columns none is guessed: what is unique today need not stay so.
        Raises UsageError.
        """
        known = find_recorded(self.columns, recorded)
        columns = guess_columns(self.columns, roles, primary_key=self.primary_key, recorded=known)
        is_named = "key" in known or any(role.partition("=")[0].strip() == "key" for role in roles)
        is_guess = not is_named and self._is_part_of_key(columns.key)
        return replace(columns, key="") if is_guess else columns

    def set_columns(self, columns: ColumnMapping, *, only_blank: bool) -> int:
        """Set the column mapping. With `only_blank`, `read` leaves out rows with an alt text, and
        the ends of texts that no rule needs.

        Returns how many rows have an alt text; `without_image` counts the others that are left
        out. Raises UsageError if there is no key, or if it is not
        unique.
        """
        import sqlalchemy as sa

        if not columns.key:
            raise UsageError(
                f"{self._name} has {_describe_key(self._primary_key)}: name a column that is "
                "unique alone with --column key=NAME, or add one that the database numbers. There "
                f"are: {', '.join(self.columns)}."
            )
        key = self._from.columns[columns.key]
        self._key, self._key_name = open_key_column(self._engine, key), columns.key
        self._image_name = columns.image
        if columns.key != self.primary_key or self._query:
            duplicates = (
                sa.select(self._key.selected).where(self._key.has_value).group_by(key)
                .having(sa.func.count() > 1).limit(1)
            )  # fmt: skip
            with database.read_connection(self._engine) as connection:
                if (found := connection.execute(duplicates).first()) is not None:
                    raise UsageError(
                        f"{columns.key!r} is not a unique key: {found[0]!r} is there twice."
                    )
        if not only_blank:
            return 0
        self._max_chars = dict.fromkeys(self.columns, VALUE_CHARS)
        self._max_chars |= dict.fromkeys(columns.context, CONTEXT_CHARS)
        self._max_chars |= {columns.tags: _TAGS_CHARS, columns.image: None, columns.file_name: None}
        undescribed = self._undescribed_rows(columns)
        no_image = is_blank(self._from.columns[columns.image])
        self._blank_rows = sa.and_(undescribed, sa.not_(no_image))
        count = sa.select(sa.func.count()).select_from(self._from)
        with database.read_connection(self._engine) as connection:
            left_out = connection.execute(count.where(undescribed, no_image))
            self.without_image = int(left_out.scalar_one())
            described = connection.execute(count.where(sa.not_(undescribed)))
            return int(described.scalar_one())

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every row, or the blank ones. A transaction lasts for one page.

        A row without a key, or with a cell that cannot be read, is a broken record.
        """
        last_key: Any = None
        rows = _FIRST_PAGE_ROWS
        for _ in range(self._count_rows_without_key()):
            yield BrokenRecord(0, f"has no {self._key_name}", "a row")
        while True:
            page = self._read_page(last_key, rows)
            yield from self._with_found_keys(page)
            if len(page) < rows:
                return
            last_key = next(reversed(page))
            size = sum(_count_chars(each) for each in page.values())
            rows = max(1, min(_MAX_PAGE_ROWS, rows * 4, rows * _PAGE_CHARS // max(1, size)))

    def read_one(self, key: str) -> Mapping[str, object] | None:
        """The row with this key; None if there is none."""
        statement = self._select().where(self._key.is_one_of([key]))
        with database.read_connection(self._engine) as connection:
            found = connection.execute(statement).mappings().first()
        return None if found is None else self._record(found).values

    def read_images(self, connection: Connection, keys: Iterable[str]) -> dict[str, str]:
        """The images of rows as `row_from_record` has them, by key; of those that are found."""
        import sqlalchemy as sa

        image = selected_cell(self._engine, self._from.columns[self._image_name], {})
        statement = sa.select(self._key.selected.label("key"), image.label("image"))
        found = connection.execute(statement.where(self._key.is_one_of(keys))).all()
        return {self._key.to_text(each.key): cell_to_text(_readable(each.image)) for each in found}

    def _with_found_keys(
        self, page: Mapping[Any, Record | BrokenRecord]
    ) -> Iterator[Record | BrokenRecord]:
        """The page, with rows that their key does not find again, or not alone, as broken records.

        What is written back is found by its key. SQLite's text that is not UTF-8 is not, and in a
        column without a type 7 and '7' are two keys with one text.
        """
        import sqlalchemy as sa

        if self._blank_rows is None or not page:
            yield from page.values()
            return
        keys = {selected: self._key.to_text(selected) for selected in page}
        statement = sa.select(self._key.selected).select_from(self._from)
        with self._engine.connect() as connection:
            database.prepare_to_read(connection)
            found = connection.execute(statement.where(self._key.is_one_of(keys.values())))
            rows_with = Counter(self._key.to_text(each) for each in found.scalars())
        for selected, record in page.items():
            if rows_with[keys[selected]] == 1 and _is_utf8(selected):
                yield record
            else:
                problem = f"is one of {rows_with[keys[selected]]} rows that its key finds"
                yield BrokenRecord(0, problem, f"the row {keys[selected]}")

    def _read_page(self, last_key: Any, rows: int) -> dict[Any, Record | BrokenRecord]:  # noqa: ANN401
        """The records of the next page by selected key."""
        import sqlalchemy as sa

        page = self._after(self._select(), last_key).limit(rows)
        try:
            with self._engine.connect() as connection:
                database.prepare_to_read(connection)
                found = connection.execute(page).mappings().all()
        except (sa.exc.StatementError, ValueError) as error:
            if not is_row_refused(error):
                raise
        else:
            return {values[self._key_name]: self._record(values) for values in found}
        # One cell cannot be read; only its row is left out.
        keys = self._after(sa.select(self._key.selected).select_from(self._from), last_key)
        with database.read_connection(self._engine) as connection:
            selected = connection.execute(keys.limit(rows)).scalars().all()
        return {key: self._read_row(key) for key in selected}

    def _read_row(self, selected_key: Any) -> Record | BrokenRecord:  # noqa: ANN401
        import sqlalchemy as sa

        key = self._key.to_text(selected_key)
        statement = self._select().where(self._key.is_one_of([key]))
        try:
            with self._engine.connect() as connection:
                database.prepare_to_read(connection)
                found = connection.execute(statement).mappings().first()
        except (sa.exc.StatementError, ValueError) as error:
            return BrokenRecord(0, f"cannot be read: {error_text(error)}", f"the row {key}")
        if found is None:
            return BrokenRecord(0, "is not found by its key", f"the row {key}")
        return self._record(found)

    def _record(self, values: Mapping[Any, object]) -> Record:
        cells = {name: _readable(value) for name, value in values.items()}
        if not isinstance(cells[self._key_name], int):
            cells[self._key_name] = self._key.to_text(values[self._key_name])
        return Record(0, cells)

    def _count_rows_without_key(self) -> int:
        import sqlalchemy as sa

        rows = sa.select(sa.func.count()).select_from(self._from)
        rows = rows.where(sa.not_(self._key.has_value))
        if self._blank_rows is not None:
            rows = rows.where(self._blank_rows)
        with database.read_connection(self._engine) as connection:
            return int(connection.execute(rows).scalar_one())

    def _after(self, statement: Select[Any], last_key: Any) -> Select[Any]:  # noqa: ANN401
        statement = statement.where(
            self._key.has_value if last_key is None else self._key.is_after(last_key)
        )
        if self._blank_rows is not None:
            statement = statement.where(self._blank_rows)
        return statement.order_by(self._key.column)

    def _select(self) -> Select[Any]:
        import sqlalchemy as sa

        cells = [
            self._key.selected
            if column.name == self._key_name
            else selected_cell(self._engine, column, self._max_chars)
            for column in self._from.columns
        ]
        named = zip(cells, self._from.columns, strict=True)
        return sa.select(*(cell.label(column.name) for cell, column in named))

    def _is_part_of_key(self, name: str) -> bool:
        """Whether a column is one of several of the primary key, and nothing makes it unique."""
        import sqlalchemy as sa

        if len(self._primary_key) < 2 or name not in self._primary_key:
            return False
        if not isinstance(self._declared, sa.Table):
            return True
        constraints = self._declared.constraints
        unique = [
            *(each.columns for each in constraints if isinstance(each, sa.UniqueConstraint)),
            *(each.columns for each in self._declared.indexes if each.unique),
        ]
        return [name] not in [[column.name for column in columns] for columns in unique]

    def _undescribed_rows(self, columns: ColumnMapping) -> ColumnElement[bool]:
        import sqlalchemy as sa

        conditions: list[ColumnElement[bool]] = [sa.true()]
        if columns.alt:
            conditions.append(is_blank(self._from.columns[columns.alt]))
        if columns.alt_source:
            source = self._from.columns[columns.alt_source]
            conditions.append(is_one_of(source, REQUESTABLE_SOURCES))
        reviewed_at = database.find_column(self._from, columns.target_column("alt_reviewed_at"))
        if reviewed_at is not None:
            conditions.append(has_no_date(self._from.columns[reviewed_at]))
        return sa.and_(*conditions)


def _describe_key(columns: Sequence[str]) -> str:
    if not columns:
        return "no primary key"
    return f"a primary key of several columns ({', '.join(columns)}), which are not supported"


def _readable(value: object) -> object:
    """A cell without the marks of bytes that are not UTF-8."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


def _is_utf8(key: object) -> bool:
    return not isinstance(key, str) or _readable(key) == key


def _count_chars(record: Record | BrokenRecord) -> int:
    if isinstance(record, BrokenRecord):
        return 0
    return sum(len(each) for each in record.values.values() if isinstance(each, (str, bytes)))


def _subquery(engine: Engine, query: str) -> FromClause:
    import sqlalchemy as sa

    # Colons are escaped: SQLAlchemy would take them for parameters. The line break ends a comment
    # at the query's end.
    escaped = query.strip().rstrip(";").replace(":", r"\:") + "\n"
    no_rows = sa.text(f"SELECT * FROM ({escaped}) AS found WHERE 1 = 0")  # noqa: S608 - the user's own
    try:
        with engine.connect() as connection:
            result = connection.execute(no_rows)
            names = list(result.keys())
            types = [each[1] for each in result.cursor.description] if result.cursor else []
    except sa.exc.DBAPIError as error:
        raise as_source_error("The query does not run", error) from None
    known = _result_types(engine)
    columns = [
        sa.column(name, known.get(cast("int", code), sa.types.NullType()))
        for name, code in zip(names, types, strict=True)
    ]
    return sa.text(escaped).columns(*columns).subquery("found")


def _result_types(engine: Engine) -> dict[int, Any]:
    """Type codes of a driver to the types whose values need care; others are read as they come."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    if engine.dialect.name == "postgresql":
        return {
            16: sa.Boolean(), 17: sa.LargeBinary(), 20: sa.Integer(), 21: sa.Integer(),
            23: sa.Integer(), 25: sa.Text(), 1043: sa.Text(), 114: sa.JSON(), 3802: sa.JSON(),
            1009: sa.ARRAY(sa.Text()), 1015: sa.ARRAY(sa.Text()), 1007: sa.ARRAY(sa.Integer()),
        }  # fmt: skip
    if engine.dialect.name == "sqlite":
        return {}
    return {1: sa.Integer(), 2: sa.Integer(), 3: sa.Integer(), 8: sa.Integer(), 9: sa.Integer(),
            4: mysql.FLOAT(), 7: sa.DateTime(), 10: sa.Date(), 11: sa.Time(), 12: sa.DateTime(),
            16: mysql.BIT()}  # fmt: skip
