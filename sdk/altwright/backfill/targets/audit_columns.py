"""`altwright backfill init-db`: the audit columns that a table lacks, added when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altwright.backfill import audit_fields, database
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SHORT = {"alt_source": 32, "alt_locale": 35, "alt_model": 255, "alt_reviewed_at": 40}
"""Characters; 35 is what BCP 47 tags need, the moment is ISO 8601 text. The rest is TEXT."""


def missing_column_statements(
    engine: Engine, name: str, columns: ColumnMapping, asked: CaptionOptions
) -> dict[str, str]:
    """Column to the statement that adds it, in the database's own SQL; all may be NULL."""
    import sqlalchemy as sa
    from sqlalchemy.schema import CreateColumn

    table = database.reflect_table(engine, name)
    shown = engine.dialect.identifier_preparer.format_table(table)
    found: dict[str, str] = {}
    for field in audit_fields.audit_field_names(asked):
        column = columns.named(field)
        if database.find_column(table, column) is not None:
            continue
        kind = sa.String(_SHORT[field]) if field in _SHORT else sa.Text()
        added = sa.Column(column, kind, nullable=True)
        written = CreateColumn(added).compile(dialect=engine.dialect)
        found[column] = f"ALTER TABLE {shown} ADD COLUMN {written}"
    return found


def add_columns(engine: Engine, statements: dict[str, str]) -> None:
    """Run them, each in a short transaction. Raises UsageError with the database's sentence."""
    import sqlalchemy as sa

    try:
        for statement in statements.values():
            with database.short_transaction(engine) as connection:
                connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        raise UsageError(f"A column could not be added: {database.error_text(error)}.") from None
