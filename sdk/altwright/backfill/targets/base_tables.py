"""Base tables: where the rows of a table or a view are stored.

A view and its table, a partition and the whole, or a table in another schema of the search path are
the same rows under several names. Of several tables behind a view, those with the column of the alt
texts are named: the others are only read.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from altwright.backfill import database

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_POSTGRESQL = """
WITH RECURSIVE reached (oid) AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = :name
      AND (n.nspname = :schema OR (CAST(:schema AS text) IS NULL AND pg_table_is_visible(c.oid)))
    UNION
    SELECT next.oid FROM reached, LATERAL (
        SELECT d.refobjid AS oid FROM pg_rewrite r JOIN pg_depend d
          ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
         AND d.refclassid = 'pg_class'::regclass
        WHERE r.ev_class = reached.oid AND d.refobjid <> reached.oid
        UNION ALL
        SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = reached.oid
    ) AS next)
SELECT r.oid::text, EXISTS (
    SELECT 1 FROM pg_attribute a
    WHERE a.attrelid = r.oid AND a.attname = :alt AND NOT a.attisdropped)
FROM reached r JOIN pg_class c USING (oid)
WHERE c.relkind IN ('r', 'p', 'f')
  AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = r.oid)
"""
_MYSQL_VIEW = """
SELECT view_definition FROM information_schema.views
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
"""
# A view names each table with its schema.
_MYSQL_TABLES = """
SELECT t.table_schema, t.table_name FROM information_schema.tables t
WHERE locate(concat('`', t.table_schema, '`.`', t.table_name, '`'), :definition) > 0
"""
_MYSQL_COLUMN = """
SELECT count(*) FROM information_schema.columns
WHERE table_schema = coalesce(:schema, database()) AND table_name = :name AND column_name = :alt
"""


def find_base_tables(engine: Engine, schema: str | None, name: str, alt: str) -> list[str]:
    """What names the stored tables of a table or view, equal however these are reached.

    `alt` is the column of the alt texts. Without a right to see them it is the name itself.
    """
    import sqlalchemy as sa

    own = f"{schema or engine.dialect.default_schema_name}.{name}"
    if engine.dialect.name == "sqlite":
        own = own.lower()  # where a name is the same in any letters
    try:
        with engine.connect() as connection:
            database.prepare_to_read(connection)
            found = _find(connection, schema, name, alt)
    except (sa.exc.DBAPIError, sqlite3.Error):
        found = {}
    with_alt = [each for each, has_alt in found.items() if has_alt]
    return sorted(with_alt or found) or [own]


def _find(connection: Connection, schema: str | None, name: str, alt: str) -> dict[str, bool]:
    import sqlalchemy as sa

    if connection.dialect.name == "sqlite":
        return _find_in_sqlite(connection, schema, name, alt)
    if connection.dialect.name != "postgresql":
        return _find_in_mysql(connection, schema, name, alt)
    values = {"schema": schema, "name": name, "alt": alt}
    found = connection.execute(sa.text(_POSTGRESQL), values)
    return {str(oid): bool(has_alt) for oid, has_alt in found}


def _find_in_mysql(
    connection: Connection, schema: str | None, name: str, alt: str
) -> dict[str, bool]:
    import sqlalchemy as sa

    found: dict[str, bool] = {}
    default = connection.execute(sa.text("SELECT database()")).scalar()
    waiting, seen = [(schema or str(default), name)], set[tuple[str, str]]()
    while waiting:
        table = waiting.pop()
        if table in seen:
            continue
        seen.add(table)
        values = {"schema": table[0], "name": table[1], "alt": alt}
        definition = connection.execute(sa.text(_MYSQL_VIEW), values).scalar()
        if definition is None:
            columns = connection.execute(sa.text(_MYSQL_COLUMN), values).scalar()
            found[".".join(table)] = bool(columns)
            continue
        named = connection.execute(sa.text(_MYSQL_TABLES), {"definition": definition})
        waiting += [(each[0], each[1]) for each in named]
    return found


def _find_in_sqlite(
    connection: Connection, schema: str | None, name: str, alt: str
) -> dict[str, bool]:
    """SQLite tells which tables a statement reads when it is prepared."""
    driver: Any = connection.connection.dbapi_connection
    read: set[tuple[str, str]] = set()

    def note(action: int, table: str, _column: str, place: str, _by: str) -> int:
        if action == sqlite3.SQLITE_READ and table:
            read.add((place or "main", table))
        return sqlite3.SQLITE_OK

    quoted = ".".join(_quote(each) for each in (schema, name) if each)
    driver.set_authorizer(note)
    try:
        driver.execute(f"EXPLAIN SELECT * FROM {quoted}").close()  # noqa: S608 - quoted
    finally:
        driver.set_authorizer(None)
    found: dict[str, bool] = {}
    for place, table in read:
        kind = driver.execute(
            f"SELECT 1 FROM {_quote(place)}.sqlite_master"  # noqa: S608 - quoted
            " WHERE type = 'table' AND lower(name) = lower(?)",
            (table,),
        ).fetchone()
        if kind is not None:
            info = f"PRAGMA {_quote(place)}.table_info({_quote(table)})"
            columns = driver.execute(info).fetchall()
            names = {str(each[1]).lower() for each in columns}
            found[f"{place}.{table}".lower()] = alt.lower() in names
    return found


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
