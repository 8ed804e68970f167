"""Key columns: a key as text for the journal, and back to the row that has it.

A key is compared by the database, with its own types and collations. Its text must name the same
value again: PostgreSQL casts it back to the exact type, MySQL gets a literal of the column's kind,
and SQLite, where a column holds values of any type, gets each value that has this text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from altwright.backfill import database
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine


class KeyColumn(Protocol):
    """A key of a table or of a query."""

    column: ColumnElement[Any]

    @property
    def has_value(self) -> ColumnElement[bool]:
        """Whether a row has a key at all."""

    @property
    def selected(self) -> ColumnElement[Any]:
        """What to select for `to_text`."""

    def to_text(self, value: Any) -> str:  # noqa: ANN401 - any type of a database
        """The key of a selected value, which must not be None."""

    def is_one_of(self, keys: Iterable[str]) -> ColumnElement[bool]:
        """Whether a row has one of the keys. Raises UsageError if one is not of the key's type."""

    def is_after(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """Whether a row comes after a selected value, in the order of the column."""


def open_key_column(engine: Engine, column: ColumnElement[Any]) -> KeyColumn:
    """The key column of a table or a query, for its kind of database."""
    if engine.dialect.name == "postgresql":
        return _PostgresqlKey(engine, column)
    return _SqliteKey(column) if engine.dialect.name == "sqlite" else _MysqlKey(column)


class _PostgresqlKey:
    def __init__(self, engine: Engine, column: ColumnElement[Any]) -> None:
        import sqlalchemy as sa

        self.column: ColumnElement[Any] = sa.type_coerce(column, sa.types.NullType())
        self.has_value = self.column.is_not(None)
        self._engine = engine
        self._is_binary = database.python_type(column) is bytes
        # An integer or text is selected as it is: its text is the same everywhere.
        is_plain = isinstance(column.type, (sa.Integer, sa.Text, sa.VARCHAR))
        self.selected: ColumnElement[Any] = column if is_plain else sa.cast(column, sa.Text)
        if self._is_binary:
            self.selected = sa.func.concat("0x", sa.func.encode(column, "hex"))

    def to_text(self, value: Any) -> str:  # noqa: ANN401
        return str(value)

    def is_one_of(self, keys: Iterable[str]) -> ColumnElement[bool]:
        return self.column.in_([self._value(key) for key in keys])

    def is_after(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        return self.column > self._value(self.to_text(value))

    def _value(self, key: str) -> ColumnElement[Any]:
        import sqlalchemy as sa

        if "\0" in key:
            raise _not_a_key(key, self.column)
        if self._is_binary:
            return sa.func.decode(key.removeprefix("0x"), "hex")
        # Without a type of its own the parameter is read as the type of the cast.
        return sa.cast(sa.literal(key, database.untyped_text()), self._type)

    @cached_property
    def _type(self) -> Any:  # noqa: ANN401 - a class that needs SQLAlchemy to be defined
        import sqlalchemy as sa

        named = sa.select(sa.cast(sa.func.pg_typeof(self.column), sa.Text)).limit(1)
        with database.read_connection(self._engine) as connection:
            name = connection.execute(named).scalar() or "text"
        # Both are of length 1 where no length is named.
        name = {"character": "bpchar", "bit": "varbit"}.get(name, name)

        class _NamedType(sa.types.UserDefinedType[Any]):
            cache_ok = True

            def __init__(self, name: str) -> None:
                self.name = name

            def get_col_spec(self, **_: object) -> str:
                return self.name

        return _NamedType(name)


class _MysqlKey:
    def __init__(self, column: ColumnElement[Any]) -> None:
        import sqlalchemy as sa
        from sqlalchemy.dialects import mysql

        self.column: ColumnElement[Any] = sa.type_coerce(column, sa.types.NullType())
        self.has_value = self.column.is_not(None)
        self._python_type = database.python_type(column)
        self.selected: ColumnElement[Any] = column
        if isinstance(column.type, sa.Float):
            self._python_type = float
            # A FLOAT is shown shorter than it is; as a DOUBLE it is shown in full.
            self.selected = self.column + sa.literal_column("0e0")
        elif isinstance(column.type, mysql.BIT):
            self._python_type = int
            self.selected = self.column + sa.literal_column("0")
        elif isinstance(column.type, (sa.DateTime, sa.Date, sa.Time)):
            self.selected = sa.cast(column, sa.String)
            # A date of zeros IS NULL for MySQL, where the column cannot be NULL.
            self.has_value = sa.not_(self.column.op("<=>", is_comparison=True)(sa.null()))

    def to_text(self, value: Any) -> str:  # noqa: ANN401
        return _to_text(value)

    def is_one_of(self, keys: Iterable[str]) -> ColumnElement[bool]:
        return self.column.in_([value for key in keys for value in self._values(key)])

    def is_after(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        import sqlalchemy as sa

        is_bytes = isinstance(value, bytes)
        return self.column > sa.literal(
            value, sa.LargeBinary() if is_bytes else database.untyped_text()
        )

    def _values(self, key: str) -> Iterator[ColumnElement[Any]]:
        import sqlalchemy as sa

        kind = self._python_type
        try:
            if kind is bytes or (kind is None and key[:2] == "0x"):
                yield sa.literal(bytes.fromhex(key.removeprefix("0x")), sa.LargeBinary())
            if kind in (int, float, Decimal):
                # With the driver's literal: as text it would be compared as a DOUBLE.
                yield sa.literal(kind(key), database.untyped_text())
        except (ValueError, ArithmeticError):
            if kind is not None:
                raise _not_a_key(key, self.column) from None
        if kind not in (bytes, int, float, Decimal):
            yield sa.literal(key, database.untyped_text())


class _SqliteKey:
    def __init__(self, column: ColumnElement[Any]) -> None:
        import sqlalchemy as sa

        self.column: ColumnElement[Any] = sa.type_coerce(column, sa.types.NullType())
        self.has_value = self.column.is_not(None)
        self.selected = self.column

    def to_text(self, value: Any) -> str:  # noqa: ANN401
        return repr(value) if isinstance(value, float) else _to_text(value)

    def is_one_of(self, keys: Iterable[str]) -> ColumnElement[bool]:
        import sqlalchemy as sa

        values = [value for key in keys for value in _values_in_sqlite(key)]
        return self.column.in_([sa.literal(each, sa.types.NullType()) for each in values])

    def is_after(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        import sqlalchemy as sa

        if isinstance(value, str):
            # As bytes that are cast to text: they need not be UTF-8.
            data = sa.literal(value.encode("utf-8", "surrogateescape"), sa.types.NullType())
            return self.column > sa.cast(data, sa.Text)
        return self.column > sa.literal(value, sa.types.NullType())


def _values_in_sqlite(key: str) -> list[object]:
    """Every value that has this text: 7, '7' and a number with a point are three."""
    values: list[object] = [key.encode("utf-8", "replace").decode()]
    for kind in (int, float):
        try:
            number = kind(key)
        except ValueError:
            continue
        if repr(number) == key and (kind is float or abs(number) < 2**63):
            values.append(number)
    if key[:2] == "0x":
        try:
            values.append(bytes.fromhex(key[2:]))
        except ValueError:
            return values
    return values


def _to_text(value: object) -> str:
    """As `row_from_record` makes it: bytes as `0x` and hexadecimal digits."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"0x{bytes(value).hex()}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return str(value)


def _not_a_key(key: str, column: ColumnElement[Any]) -> UsageError:
    return UsageError(f"{key!r} is not a value of the key {column!s}.")
