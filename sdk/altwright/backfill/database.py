"""Database access through SQLAlchemy Core: PostgreSQL, MySQL, MariaDB and SQLite."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altwright.backfill.database_errors import as_source_error, error_text
from altwright.backfill.optional_imports import import_optional
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Table

_DRIVERS = {
    "postgresql": ("psycopg", "PostgreSQL", "postgresql"),
    "postgres": ("psycopg", "PostgreSQL", "postgresql"),
    "mysql": ("pymysql", "MySQL", "mysql"),
    "mariadb": ("pymysql", "MariaDB", "mysql"),
}
"""URL scheme to driver module, name, and the extra that installs the driver."""
LOCK_WAIT_S = 1
"""Seconds that a write waits for a row or table that another transaction has locked."""
_READ_LOCK_WAIT_S = 10
"""Seconds that a reader waits for a table that is being altered."""
_SQLITE_LOCK_WAIT_S = 5
"""Seconds for a lock in SQLite, where every writer locks all."""
_SECRET_PARAMETER = re.compile(r"pass(?!file)|pwd|secret|token", re.IGNORECASE)
"""Parameters of a URL that are not shown: `?password=`."""


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
    except (sa.exc.ArgumentError, ValueError):  # a ValueError quotes a part of the password
        raise UsageError("This is not a database URL; write postgresql://user@host/name.") from None
    scheme, _, driver = parsed.drivername.partition("+")
    options: dict[str, Any] = {}
    # SQLite would create the file, and the table would be missing in it.
    if scheme == "sqlite" and parsed.database and not Path(parsed.database).exists():
        raise UsageError(f"There is no file {parsed.database}.")
    if scheme == "sqlite" and "timeout" not in parsed.query:
        options = {"connect_args": {"timeout": _SQLITE_LOCK_WAIT_S}}
    if scheme in _DRIVERS:
        module, name, extra = _DRIVERS[scheme]
        if not driver:
            import_optional(module, name, extra)
            dialect = "postgresql" if scheme == "postgres" else scheme
            parsed = parsed.set(drivername=f"{dialect}+{module}")
        options = {"connect_args": {"connect_timeout": 10}}
    if parsed.get_backend_name() == "postgresql" and parsed.get_driver_name() == "psycopg":
        # Without prepared statements: behind a pooler they belong to another client's session.
        # In UTF-8 a text that the database's encoding lacks is refused by the server.
        options["connect_args"] |= {"prepare_threshold": None, "client_encoding": "utf8"}
    engine: Engine = sa.create_engine(parsed, pool_pre_ping=True, pool_size=connections, **options)
    # Drivers warn of connections that are still open when the engine is garbage-collected.
    weakref.finalize(engine, engine.pool.dispose)
    if scheme == "sqlite":
        sa.event.listen(engine, "connect", _read_any_text)
    try:
        with engine.connect():
            return engine
    except sa.exc.DBAPIError as error:
        engine.dispose()
        raise UsageError(
            f"{url_without_password(engine)} does not accept a connection: {error_text(error)}."
        ) from None


def url_without_password(engine: Engine) -> str:
    """The engine's URL without the password, wherever it stands."""
    url = engine.url
    secrets = [name for name in url.query if _SECRET_PARAMETER.search(name)]
    return url.difference_update_query(secrets).set(password=None).render_as_string()


@contextlib.contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """A connection for reading. Raises UsageError, or SourceError if the problem may pass."""
    import sqlalchemy as sa

    try:
        with engine.connect() as connection:
            prepare_to_read(connection)
            yield connection
    except sa.exc.DBAPIError as error:
        raise as_source_error(f"{url_without_password(engine)} cannot be read", error) from None


def reflect_table(engine: Engine, name: str) -> Table:
    """Read a table's columns from the database; `schema.name` is understood.

    Raises UsageError if it does not exist or may not be read, SourceError if that may pass.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql

    schema, _, bare_name = name.rpartition(".")
    try:
        with read_connection(engine) as connection, warnings.catch_warnings():
            if schema and sa.inspect(connection).has_table(name):
                schema, bare_name = "", name  # the point is a part of the name
            # A type that SQLAlchemy does not know is read as text.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            table = sa.Table(
                bare_name, sa.MetaData(), schema=schema or None, autoload_with=connection
            )
    except sa.exc.NoSuchTableError:
        raise UsageError(_missing_table(engine, name, schema)) from None
    for column in table.columns:
        while isinstance(column.type, postgresql.DOMAIN):
            column.type = column.type.data_type  # its rules are the database's to check
    return table


def _missing_table(engine: Engine, name: str, schema: str) -> str:
    import sqlalchemy as sa

    existing: list[str] = []
    with contextlib.suppress(sa.exc.DBAPIError):  # no such schema, or no right to see it
        existing = sa.inspect(engine).get_table_names(schema=schema or None)
    listed = ", ".join(sorted(existing)[:30]) or "no tables"
    return f"There is no table {name!r} in {url_without_password(engine)}: it has {listed}."


@contextlib.contextmanager
def short_transaction(engine: Engine, *, lock_wait_s: float = LOCK_WAIT_S) -> Iterator[Connection]:
    """A transaction that waits at most `lock_wait_s` for what others have locked."""
    with engine.begin() as connection:
        prepare_to_write(connection, lock_wait_s)
        yield connection


def prepare_to_write(connection: Connection, lock_wait_s: float = LOCK_WAIT_S) -> None:
    """Limit the waiting for locks in this transaction, and let MySQL refuse what it would cut."""
    import sqlalchemy as sa

    if connection.dialect.name == "postgresql":
        milliseconds = max(1, round(lock_wait_s * 1000))  # 0 is for ever
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {milliseconds}"))
    elif connection.dialect.name in ("mysql", "mariadb"):
        seconds = max(0 if is_mariadb(connection) else 1, round(lock_wait_s))
        connection.execute(
            sa.text(
                f"SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds},"
                " sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES')"
            )
        )


def is_mariadb(bind: Engine | Connection) -> bool:
    """Whether it is a MariaDB, by whatever name it is reached."""
    return bool(getattr(bind.dialect, "is_mariadb", False))


def prepare_to_read(connection: Connection) -> None:
    """One notation for values, whatever the server, the role or the database has set.

    For this transaction only: behind a pooler the session belongs to others, too.
    """
    import sqlalchemy as sa

    if connection.dialect.name == "postgresql":
        settings = {
            "TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres",
            "extra_float_digits": "3", "lock_timeout": f"{_READ_LOCK_WAIT_S}s",
        }  # fmt: skip
        calls = (f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        connection.execute(sa.text(f"SELECT {', '.join(calls)}"))
    elif connection.dialect.name in ("mysql", "mariadb"):
        connection.execute(sa.text(f"SET SESSION lock_wait_timeout = {_READ_LOCK_WAIT_S}"))


def _read_any_text(connection: Any, _: object) -> None:  # noqa: ANN401 - a driver's connection
    """SQLite stores any bytes as text: those that are not UTF-8 must not stop the reading."""
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")


def find_column(table: FromClause, name: str) -> str | None:
    """A column's name as the table spells it: most databases do not tell `SEO` from `seo`."""
    if name in table.columns:
        return name
    return next((each.name for each in table.columns if each.name.lower() == name.lower()), None)


def python_type(column: ColumnElement[Any]) -> Any:  # noqa: ANN401 - a type, or None
    """The type of a column's values in Python; None if SQLAlchemy does not know it."""
    try:
        found = column.type.python_type
    except NotImplementedError:
        return None
    return None if found is object else found


@functools.cache
def untyped_text() -> Any:  # noqa: ANN401 - a class that needs SQLAlchemy to be defined
    """The type of a parameter that goes to the database as text, for it to convert."""
    import sqlalchemy as sa

    class _UntypedText(sa.types.UserDefinedType[Any]):
        cache_ok = True

        def get_col_spec(self, **_: object) -> str:
            return "TEXT"

    return _UntypedText()
