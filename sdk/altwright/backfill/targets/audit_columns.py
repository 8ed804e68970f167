"""Audit columns that a table lacks, and the statements that add them (`init-db`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altwright.backfill import database
from altwright.backfill.audit_fields import audit_field_names
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

_MAX_CHARS = {"alt_source": 32, "alt_locale": 35, "alt_model": 255, "alt_reviewed_at": 40}
"""Lengths of VARCHAR columns; the others are TEXT. BCP 47 recommends 35 for a language tag;
`alt_reviewed_at` is ISO 8601 text."""


def missing_column_statements(
    engine: Engine, name: str, columns: ColumnMapping, options: CaptionOptions
) -> dict[str, str]:
    """Column name to the ALTER TABLE that adds it, in the database's own SQL; all are nullable."""
    import sqlalchemy as sa
    from sqlalchemy.schema import CreateColumn

    table = database.reflect_table(engine, name)
    quoted_table = engine.dialect.identifier_preparer.format_table(table)
    statements: dict[str, str] = {}
    for field in audit_field_names(options):
        column = columns.target_column(field)
        if database.find_column(table, column) is not None:
            continue
        column_type = sa.String(_MAX_CHARS[field]) if field in _MAX_CHARS else sa.Text()
        definition = CreateColumn(sa.Column(column, column_type, nullable=True))
        statements[column] = (
            f"ALTER TABLE {quoted_table} ADD COLUMN {definition.compile(dialect=engine.dialect)}"
        )
    return statements


def add_columns(engine: Engine, statements: dict[str, str]) -> None:
    """Run the statements, each in a short transaction. Raises UsageError."""
    import sqlalchemy as sa

    try:
        for statement in statements.values():
            with database.short_transaction(engine) as connection:
                connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        raise UsageError(f"A column could not be added: {database.error_text(error)}.") from None
