"""Database access through SQLAlchemy Core: PostgreSQL, MySQL, MariaDB and SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
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
"""URL scheme to driver module, name, and the extra that installs the driver."""
_TEMPORARY_ERRORS = {
    "55P03", "57P01", "57P02", "57P03", "53300", "40001", "40P01",
    1040, 1205, 1213, 2006, 2013,
}  # fmt: skip
"""SQLSTATEs of PostgreSQL and error numbers of MySQL for errors that pass: a lock, a deadlock, a
restart, no free connection."""
_CHECK_VIOLATED = (3819, 4025)
"""MySQL's and MariaDB's error numbers of a violated CHECK, which PyMySQL calls operational."""
LOCK_WAIT_S = 10
"""Seconds that a transaction waits for a row that another one has locked."""


def is_database_url(text: str) -> bool:
    """Whether a source or target is a database's URL rather than a path."""
    scheme = text.partition("://")[0].partition("+")[0].lower()
    return "://" in text and scheme in {*_DRIVERS, "sqlite"}


def connect(url: str, *, connections: int = 2) -> Engine:
    """Create an engine, and make one connection to see that it works.

    The pool keeps `connections` open; use it from at most as many threads at once. Raises
    UsageError with a message that shows no password.
    """
    sa = import_optional("sqlalchemy", "A database", "backfill")
    try:
        parsed = sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        raise UsageError("This is not a database URL; write postgresql://user@host/name.") from None
    scheme, _, driver = parsed.drivername.partition("+")
    options: dict[str, Any] = {}
    # SQLite would create the file, and the table would be missing in it.
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
    # Drivers warn of connections that are still open when the engine is garbage-collected.
    weakref.finalize(engine, engine.pool.dispose)
    try:
        with engine.connect():
            return engine
    except sa.exc.DBAPIError as error:
        engine.dispose()
        raise UsageError(
            f"{url_without_password(engine)} does not accept a connection: {error_text(error)}."
        ) from None


def url_without_password(engine: Engine) -> str:
    """The engine's URL without the password."""
    return engine.url.set(password=None).render_as_string()


def error_text(error: Exception) -> str:
    """The database's own message in one line, without what SQLAlchemy adds."""
    original = getattr(error, "orig", None) or error
    # PyMySQL's errors are (number, message).
    has_message = original.args and isinstance(original.args[-1], str)
    text = original.args[-1] if has_message else str(original)
    return " ".join(str(text).split()).rstrip(".")[:300] or type(original).__name__


def is_database_error(error: Exception) -> bool:
    """Whether a database raised it. Works without SQLAlchemy, which may not be installed."""
    return type(error).__module__ == "sqlalchemy.exc" and hasattr(error, "orig")


def is_permanent_refusal(error: Exception) -> bool:
    """Whether the database would refuse the same statement again: a value that does not fit."""
    import sqlalchemy as sa

    number = next(iter(getattr(getattr(error, "orig", None), "args", ())), None)
    return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError)) or number in _CHECK_VIOLATED


def as_source_error(what: str, error: DBAPIError) -> UsageError | SourceError:
    """The error to raise if a database cannot be read: temporary, or until someone fixes it."""
    message = f"{what}: {error_text(error)}"
    original = error.orig
    codes = {getattr(original, "sqlstate", None), *(getattr(original, "args", None) or ())[:1]}
    is_locked = isinstance(original, sqlite3.OperationalError) and "locked" in str(original)
    if error.connection_invalidated or is_locked or codes & _TEMPORARY_ERRORS:
        return SourceError(message, is_temporary=True)
    return UsageError(f"{message}.")


@contextlib.contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """A connection for reading. Raises UsageError, or SourceError if the problem may pass."""
    import sqlalchemy as sa

    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise as_source_error(f"{url_without_password(engine)} cannot be read", error) from None


def reflect_table(engine: Engine, name: str) -> Table:
    """Read a table's columns from the database; `schema.name` is understood.

    Raises UsageError if it does not exist or may not be read, SourceError if that may pass.
    """
    import sqlalchemy as sa

    schema, _, bare_name = name.rpartition(".")
    try:
        with read_connection(engine) as connection:
            return sa.Table(
                bare_name, sa.MetaData(), schema=schema or None, autoload_with=connection
            )
    except sa.exc.NoSuchTableError:
        existing = sa.inspect(engine).get_table_names(schema=schema or None)
        listed = ", ".join(sorted(existing)[:30]) or "no tables"
        raise UsageError(
            f"There is no table {name!r} in {url_without_password(engine)}: it has {listed}."
        ) from None


@contextlib.contextmanager
def short_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that waits at most LOCK_WAIT_S for rows that others have locked."""
    import sqlalchemy as sa

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'"))
        elif engine.dialect.name in ("mysql", "mariadb"):
            connection.execute(sa.text(f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}"))
        yield connection


def as_string(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column cast to text: a database enumeration compares with nothing else."""
    import sqlalchemy as sa

    return sa.cast(column, sa.String)


def blank_condition(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """NULL, empty, or only spaces."""
    import sqlalchemy as sa

    return sa.or_(column.is_(None), sa.func.trim(as_string(column)) == "")


def source_condition(column: ColumnElement[Any], sources: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column of `alt_source` has one of these values; NULL is ''."""
    import sqlalchemy as sa

    text = sa.func.lower(sa.func.trim(sa.func.coalesce(as_string(column), "")))
    return text.in_([str(source) for source in sources])


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


def find_column(table: FromClause, name: str) -> str | None:
    """A column's name as the table spells it: most databases do not tell `SEO` from `seo`."""
    if name in table.columns:
        return name
    return next((each.name for each in table.columns if each.name.lower() == name.lower()), None)


def key_expression(engine: Engine, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A key column in a form that `key_value` can be compared with: as text for unusual types.

    SQLite keeps a date in any format, and a column without a type keeps anything.
    """
    python_type = _python_type(column)
    is_unreliable = engine.dialect.name == "sqlite" and python_type not in (int, str, bytes)
    return as_string(column) if python_type is None or is_unreliable else column


def key_value(column: ColumnElement[Any], key: str) -> object:
    """A key as the type of its `key_expression`. Raises UsageError if it is not of that type."""
    python_type = _python_type(column)
    try:
        if python_type is bytes:
            return bytes.fromhex(key.removeprefix("0x"))
        if python_type is bool:
            return {"true": True, "1": True, "false": False, "0": False}[key.lower()]
        if python_type in (date, datetime, time):
            return python_type.fromisoformat(key)
        return key if python_type in (None, str) else python_type(key)
    except (ValueError, TypeError, ArithmeticError, KeyError):
        raise UsageError(f"{key!r} is not a value of the key {column!s}.") from None


def _python_type(column: ColumnElement[Any]) -> Any:  # noqa: ANN401 - a type, or None
    try:
        return column.type.python_type
    except NotImplementedError:
        return None
