"""Databases through SQLAlchemy Core: PostgreSQL, MySQL and MariaDB, SQLite."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altwright.backfill.extras import needed
from altwright.errors import WrongUse

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, Table

_DRIVERS = {
    "postgresql": ("psycopg", "PostgreSQL", "postgresql"),
    "postgres": ("psycopg", "PostgreSQL", "postgresql"),
    "mysql": ("pymysql", "MySQL", "mysql"),
    "mariadb": ("pymysql", "MariaDB", "mysql"),
}
"""Scheme to driver, name, and the extra that brings it."""
LOCK_WAIT_S = 10
"""So long a transaction waits for a row that somebody else changes; then others come first."""


def is_database(text: str) -> bool:
    """Whether a source or target is a database's URL rather than a path."""
    scheme = text.partition("://")[0].partition("+")[0].lower()
    return "://" in text and scheme in {*_DRIVERS, "sqlite"}


def connect(url: str, *, connections: int = 2) -> Engine:
    """An engine, and one connection made to see that it works.

    So many `connections` stay open; threads that want one at the same time are as many at most.
    Raises WrongUse with a sentence that shows no password.
    """
    sa = needed("sqlalchemy", "A database", "backfill")
    try:
        parsed = sa.engine.make_url(url)
    except sa.exc.ArgumentError:
        raise WrongUse("The database's URL is not one: postgresql://user@host/name.") from None
    scheme, _, driver = parsed.drivername.partition("+")
    options: dict[str, Any] = {}
    # It would be made, empty, and then there were no table in it.
    if scheme == "sqlite" and parsed.database and not Path(parsed.database).exists():
        raise WrongUse(f"There is no file {parsed.database}.")
    if scheme == "sqlite" and "timeout" not in parsed.query:
        options = {"connect_args": {"timeout": LOCK_WAIT_S}}
    if scheme in _DRIVERS:
        module, name, extra = _DRIVERS[scheme]
        if not driver:
            needed(module, name, extra)
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
        raise WrongUse(f"{shown(engine)} does not take a connection: {said(error)}.") from None


def shown(engine: Engine) -> str:
    """Its URL without the password."""
    return engine.url.set(password=None).render_as_string()


def said(error: Exception) -> str:
    """The database's own words, in one line, without SQLAlchemy's around them."""
    own = getattr(error, "orig", None) or error
    # PyMySQL's errors are (number, words).
    words = own.args[-1] if own.args and isinstance(own.args[-1], str) else str(own)
    return " ".join(str(words).split()).rstrip(".")[:300] or type(own).__name__


def is_refusal(error: Exception) -> bool:
    """Whether the same statement will be refused again: a value that no column takes."""
    import sqlalchemy as sa

    # PyMySQL calls a broken CHECK "operational": MySQL's number, and MariaDB's.
    number = next(iter(getattr(getattr(error, "orig", None), "args", ())), None)
    return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError)) or number in (3819, 4025)


def table(engine: Engine, name: str) -> Table:
    """A table as it is; `schema.name` is understood. Raises WrongUse where there is none."""
    import sqlalchemy as sa

    schema, _, bare = name.rpartition(".")
    try:
        return sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=engine)
    except sa.exc.NoSuchTableError:
        there = sa.inspect(engine).get_table_names(schema=schema or None)
        listed = ", ".join(sorted(there)[:30]) or "no tables"
        raise WrongUse(f"There is no table {name!r} in {shown(engine)}: it has {listed}.") from None


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


def as_words(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column as text: an enumeration of the database's own compares with nothing else."""
    import sqlalchemy as sa

    return sa.cast(column, sa.String)


def is_blank(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """NULL, empty, or spaces."""
    import sqlalchemy as sa

    return sa.or_(column.is_(None), sa.func.trim(as_words(column)) == "")


def typed_key(column: ColumnElement[Any], key: str) -> object:
    """The key as the column's type wants it. Raises WrongUse where it is of another type."""
    try:
        kind = column.type.python_type
    except NotImplementedError:
        return key
    try:
        if kind is bytes:
            return bytes.fromhex(key.removeprefix("0x"))
        return key if kind is str else kind(key)
    except (ValueError, TypeError, ArithmeticError):
        raise WrongUse(f"{key!r} is no value of the key {column!s}.") from None
