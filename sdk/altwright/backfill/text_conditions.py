"""SQL conditions about text: blank, equal, and not a person's; the same for sources and targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Engine

_ZERO_DATE = "0000-00-00%"
"""MySQL's date in a column that cannot be NULL."""


def as_string(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column cast to text: a database enumeration compares with nothing else."""
    import sqlalchemy as sa

    return sa.cast(column, sa.String)


def is_blank(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """NULL, empty, or only spaces."""
    import sqlalchemy as sa

    is_null = sa.type_coerce(column, sa.types.NullType()).is_(None)
    return sa.or_(is_null, sa.func.trim(as_string(column)) == "")


def equals_exactly(engine: Engine, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a column has this text, character for character.

    A column's collation may take `Cafe` for `Café`: MySQL's default does, and others can.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    if engine.dialect.name in ("mysql", "mariadb"):
        # Compared as UTF-8 bytes, because the column may have any character set.
        as_bytes = sa.cast(sa.cast(column, mysql.CHAR(charset="utf8mb4")), sa.LargeBinary)
        return as_bytes == sa.literal(text.encode("utf-8", "replace"), sa.LargeBinary)
    collation = "BINARY" if engine.dialect.name == "sqlite" else "C"
    return as_string(column).collate(collation) == text


def is_one_of(column: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column has one of the values in any case; NULL is ''."""
    import sqlalchemy as sa

    text = sa.func.lower(sa.func.trim(sa.func.coalesce(as_string(column), "")))
    return text.in_(sorted(values))


def has_no_date(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a column of dates is empty, in any of its notations."""
    import sqlalchemy as sa

    return sa.or_(is_blank(column), as_string(column).like(_ZERO_DATE))
