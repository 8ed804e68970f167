"""Databases through SQLAlchemy Core: PostgreSQL, MySQL and MariaDB, SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altwright.backfill.errors import SourceError
from altwright.backfill.optional_imports import import_optional
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Table
    from sqlalchemy.exc import DBAPIError

_DRIVERS = {
    "postgresql": ("psycopg", "PostgreSQL", "postgresql"),
    "postgres": ("psycopg", "PostgreSQL", "postgresql"),
    "mysql": ("pymysql", "MySQL", "mysql"),
    "mariadb": ("pymysql", "MariaDB", "mysql"),
}
"""Scheme to driver, name, and the extra that brings it."""
_PASSING = {
    "55P03",
    "57P01",
    "57P02",
    "57P03",
    "53300",
    "40001",
    "40P01",
    1040,
    1205,
    1213,
    2006,
    2013,
}
"""PostgreSQL's and MySQL's names of what passes: a lock, a restart, no free connection."""
LOCK_WAIT_S = 10
"""So long a transaction waits for a row that somebody else changes; then others come first."""


def is_database_url(text: str) -> bool:
    """Whether a source or target is a database's URL rather than a path."""
    scheme = text.partition("://")[0].partition("+")[0].lower()
    return "://" in text and scheme in {*_DRIVERS, "sqlite"}


def connect(url: str, *, connections: int = 2) -> Engine:
    """An engine, and one connection made to see that it works.

    So many `connections` stay open; threads that want one at the same time are as many at most.
    Raises UsageError with a sentence that shows no password.
    """
    sa = import_optional("sqlalchemy", "A database", "backfill")
    try:
        parsed = sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        raise UsageError("The database's URL is not one: postgresql://user@host/name.") from None
    scheme, _, driver = parsed.drivername.partition("+")
    options: dict[str, Any] = {}
    # It would be made, empty, and then there were no table in it.
    if scheme == "sqlite" and parsed.database and not Path(parsed.database).exists():
        raise UsageError(f"There is no file {parsed.database}.")
    if scheme == "sqlite" and "timeout" not in parsed.query:
        options = {"connect_args": {"timeout": LOCK_WAIT_S}}
    if scheme in _DRIVERS:
        module, name, extra = _DRIVERS[scheme]
        if not driver:
            import_optional(module, name, extra)
            dialect = "postgresql" if scheme == "postgres" else scheme
            parsed = parsed.set(drivername=f"{dialect}+{module}")
        options = {"connect_args": {"connect_timeout": 10}}
    engine: Engine = sa.create_engine(parsed, pool_pre_ping=True, pool_size=connections, **options)
    # Whoever drops the engine closes its connections; drivers complain of those left open.
    weakref.finalize(engine, engine.pool.dispose)
    try:
        with engine.connect():
            return engine
    except sa.exc.DBAPIError as error:
        engine.dispose()
        raise UsageError(
            f"{url_without_password(engine)} does not take a connection: {error_text(error)}."
        ) from None


def url_without_password(engine: Engine) -> str:
    """Its URL without the password."""
    return engine.url.set(password=None).render_as_string()


def error_text(error: Exception) -> str:
    """The database's own words, in one line, without SQLAlchemy's around them."""
    own = getattr(error, "orig", None) or error
    # PyMySQL's errors are (number, words).
    words = own.args[-1] if own.args and isinstance(own.args[-1], str) else str(own)
    return " ".join(str(words).split()).rstrip(".")[:300] or type(own).__name__


def is_database_error(error: Exception) -> bool:
    """Whether a database, and not a bug, is at fault; asked where SQLAlchemy may be missing."""
    return type(error).__module__ == "sqlalchemy.exc" and hasattr(error, "orig")


def is_permanent_refusal(error: Exception) -> bool:
    """Whether the same statement will be refused again: a value that no column takes."""
    import sqlalchemy as sa

    # PyMySQL calls a broken CHECK "operational": MySQL's number, and MariaDB's.
    number = next(iter(getattr(getattr(error, "orig", None), "args", ())), None)
    return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError)) or number in (3819, 4025)


def as_source_error(what: str, error: DBAPIError) -> UsageError | SourceError:
    """What to raise where a database does not let us look: for now, or until somebody mends it."""
    sentence = f"{what}: {error_text(error)}"
    orig = error.orig
    marks = {getattr(orig, "sqlstate", None), *(getattr(orig, "args", None) or ())[:1]}
    is_locked = isinstance(orig, sqlite3.OperationalError) and "locked" in str(orig)
    if error.connection_invalidated or is_locked or marks & _PASSING:
        return SourceError(sentence, may_pass=True)
    return UsageError(f"{sentence}.")


@contextlib.contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """A connection to read with. Raises UsageError, or SourceBroke where it may pass."""
    import sqlalchemy as sa

    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise as_source_error(f"{url_without_password(engine)} cannot be read", error) from None


def reflect_table(engine: Engine, name: str) -> Table:
    """A table as it is; `schema.name` is understood.

    Raises UsageError where there is none or it may not be read, SourceBroke where that may pass.
    """
    import sqlalchemy as sa

    schema, _, bare = name.rpartition(".")
    try:
        with read_connection(engine) as connection:
            return sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=connection)
    except sa.exc.NoSuchTableError:
        there = sa.inspect(engine).get_table_names(schema=schema or None)
        listed = ", ".join(sorted(there)[:30]) or "no tables"
        raise UsageError(
            f"There is no table {name!r} in {url_without_password(engine)}: it has {listed}."
        ) from None


@contextlib.contextmanager
def short_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that does not wait for ever for what others hold."""
    import sqlalchemy as sa

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'"))
        elif engine.dialect.name in ("mysql", "mariadb"):
            connection.execute(sa.text(f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}"))
        yield connection


def as_string(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column as text: an enumeration of the database's own compares with nothing else."""
    import sqlalchemy as sa

    return sa.cast(column, sa.String)


def blank_condition(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """NULL, empty, or spaces."""
    import sqlalchemy as sa

    return sa.or_(column.is_(None), sa.func.trim(as_string(column)) == "")


def equals_exactly(engine: Engine, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a column has this text, character for character.

    A column's own comparison may take `Cafe` for `Café`: MySQL's does, and others where somebody
    chose it.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    if engine.dialect.name in ("mysql", "mariadb"):
        # Whatever character set the column has.
        bytes_of = sa.cast(sa.cast(column, mysql.CHAR(charset="utf8mb4")), sa.LargeBinary)
        return bytes_of == sa.literal(text.encode("utf-8", "replace"), sa.LargeBinary)
    collation = "BINARY" if engine.dialect.name == "sqlite" else "C"
    return as_string(column).collate(collation) == text


def find_column(reflect_table: FromClause, name: str) -> str | None:
    """The name of a column as the table has it: most databases do not tell `SEO` from `seo`."""
    if name in reflect_table.columns:
        return name
    return next(
        (each.name for each in reflect_table.columns if each.name.lower() == name.lower()), None
    )


def key_expression(engine: Engine, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A key's column as it is compared with `typed_key`: as text where its type is not one of ours.

    SQLite keeps a date however somebody wrote it, and a column without a type keeps anything.
    """
    kind = _kind(column)
    if kind is None or (engine.dialect.name == "sqlite" and kind not in (int, str, bytes)):
        return as_string(column)
    return column


def key_value(column: ColumnElement[Any], key: str) -> object:
    """The key as a `comparable` column wants it. Raises UsageError where it is of another type."""
    kind = _kind(column)
    try:
        if kind is bytes:
            return bytes.fromhex(key.removeprefix("0x"))
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[key.lower()]
        if kind in (date, datetime, time):
            return kind.fromisoformat(key)
        return key if kind in (None, str) else kind(key)
    except (ValueError, TypeError, ArithmeticError, KeyError):
        raise UsageError(f"{key!r} is no value of the key {column!s}.") from None


def _kind(column: ColumnElement[Any]) -> Any:  # noqa: ANN401 - a type, or None
    try:
        return column.type.python_type
    except NotImplementedError:
        return None
