"""Cells of a table: what to select of a column, so that no odd value makes the table unreadable.

A date of infinity, a date of zeros or a value of an unknown type has no form in Python, but always
one in the database's own text.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from altwright.backfill import database

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine


def selected_cell(
    engine: Engine, column: ColumnElement[Any], max_chars: Mapping[str, int | None]
) -> ColumnElement[Any]:
    """What to select for a column.

    Where `max_chars` has the column, bytes are left out, and of a text only so many characters
    come.
    """
    name = str(getattr(column, "name", ""))
    is_cut, limit = name in max_chars, max_chars.get(name)
    if engine.dialect.name == "sqlite":
        return _sqlite_cell(column, is_cut=is_cut, limit=limit)
    return _typed_cell(engine, column, is_cut=is_cut, limit=limit)


def _sqlite_cell(
    column: ColumnElement[Any], *, is_cut: bool, limit: int | None
) -> ColumnElement[Any]:
    """The value without the column's type: a column of dates may hold numbers or any text."""
    import sqlalchemy as sa

    value: ColumnElement[Any] = sa.type_coerce(column, sa.types.NullType())
    if not is_cut:
        return value
    kind = sa.func.typeof(column)
    cases: list[tuple[ColumnElement[bool], Any]] = [(kind == "blob", sa.null())]
    if limit is not None:
        cases.append((kind == "text", sa.func.substr(value, 1, limit)))
    return sa.case(*cases, else_=value)


def _typed_cell(
    engine: Engine, column: ColumnElement[Any], *, is_cut: bool, limit: int | None
) -> ColumnElement[Any]:
    import sqlalchemy as sa

    kind = database.python_type(column)
    if kind is bytes:
        return sa.null() if is_cut else column
    if isinstance(column.type, sa.ARRAY):
        return sa.func.to_json(column, type_=sa.JSON())
    is_text = isinstance(column.type, (sa.Text, sa.VARCHAR))
    if isinstance(column.type, sa.JSON) and not is_cut:
        return column
    if kind is not None and issubclass(kind, (int, float, Decimal)):
        return column
    is_unknown_to_mysql = kind is None and engine.dialect.name != "postgresql"
    text = column if is_text or is_unknown_to_mysql else sa.cast(column, _text_type(engine))
    is_long = is_cut and limit is not None and not is_unknown_to_mysql
    return sa.func.left(text, limit) if is_long else text


def _text_type(engine: Engine) -> Any:  # noqa: ANN401 - a class of SQLAlchemy
    import sqlalchemy as sa

    return sa.Text() if engine.dialect.name == "postgresql" else sa.String()
