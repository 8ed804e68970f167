"""Audit columns that a table lacks, and the statements that add them (`init-db`).

Each carries a mark that says that it was made for a backfill: a comment, or in SQLite the name of a
constraint. A run then knows it from a column of the user's own with the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from altwright.backfill import database
from altwright.backfill.audit_fields import audit_field_names
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.database_errors import error_text
from altwright.backfill.targets.table_columns import MARK
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

_MAX_CHARS = {"alt_source": 32, "alt_locale": 35, "alt_model": 255, "alt_reviewed_at": 40}
"""Lengths of VARCHAR columns; the others are TEXT. BCP 47 recommends 35 for a language tag;
`alt_reviewed_at` is ISO 8601 text."""


def missing_column_statements(
    engine: Engine, name: str, columns: ColumnMapping, options: CaptionOptions
) -> dict[str, list[str]]:
    """Column name to the statements that add and mark it, in the database's own SQL.

    All are nullable.
    """
    import sqlalchemy as sa
    from sqlalchemy.schema import CreateColumn

    table = database.reflect_table(engine, name)
    preparer = engine.dialect.identifier_preparer
    quoted_table = preparer.format_table(table)
    statements: dict[str, list[str]] = {}
    columns.check_target_columns(audit_field_names(options))
    for field in audit_field_names(options):
        column = columns.target_column(field)
        if not column or database.find_column(table, column) is not None:
            continue
        column_type = sa.String(_MAX_CHARS[field]) if field in _MAX_CHARS else sa.Text()
        definition = CreateColumn(sa.Column(column, column_type, nullable=True))
        add = f"ALTER TABLE {quoted_table} ADD COLUMN {definition.compile(dialect=engine.dialect)}"
        mark = f"{MARK}: {field}"
        if engine.dialect.name == "sqlite":
            statements[column] = [f"{add} CONSTRAINT {MARK}_{field} NULL"]
        elif engine.dialect.name == "postgresql":
            quoted_column = f"{quoted_table}.{preparer.quote(column)}"
            statements[column] = [add, f"COMMENT ON COLUMN {quoted_column} IS '{mark}'"]
        else:
            statements[column] = [f"{add} COMMENT '{mark}'"]
    return statements


def add_columns(engine: Engine, statements: dict[str, list[str]]) -> None:
    """Run the statements, those of a column in a short transaction. Raises UsageError."""
    import sqlalchemy as sa

    try:
        for of_column in statements.values():
            with database.short_transaction(engine, lock_wait_s=10) as connection:
                for statement in of_column:
                    connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        raise UsageError(f"A column could not be added: {error_text(error)}.") from None
