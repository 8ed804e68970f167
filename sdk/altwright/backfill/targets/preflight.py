"""Preflight of a table: finds out before the first paid request whether texts can be written.

Keys must find their rows, one each; the column of `alt_source` must have the word for a model's
text; and the write itself is tried on a blank row and rolled back. What cannot work is refused.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from altwright.backfill import database
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping, row_from_record
from altwright.backfill.database_errors import ErrorScope, error_scope, error_text
from altwright.backfill.sources.base import Record
from altwright.backfill.sources.table import TableSource
from altwright.backfill.targets.table import RowRefused, RowState, TableTarget
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

FindSettled = Callable[[Sequence[str]], Collection[str]]
_SAMPLE_ROWS = 50
_TRIED_ROWS = 3
"""A trigger may refuse one row; if so many are refused, every row is taken to be."""
_TEXTS = {
    "ar": "صورة.", "bg": "Картина.", "cs": "Bílý hrnek č. 5.", "el": "Εικόνα.", "fa": "تصویر.",
    "he": "תמונה.", "hi": "चित्र।", "hr": "Bijela šalica.", "hu": "Fehér bögre, őszi.",
    "ja": "写真。", "ko": "사진.", "pl": "Biały kubek.", "ro": "O cană albă, așezată.",
    "ru": "Картина.", "sk": "Biely hrnček.", "sl": "Bela skodelica, žlička.", "sr": "Слика.",
    "th": "รูปภาพ", "tr": "Beyaz bir kupa, ışık.", "uk": "Зображення.", "zh": "图片。",
}  # fmt: skip
"""Language to a text with its letters, which the column's encoding must have; others: English."""
_DEFAULT_TEXT = "A picture."
_REVIEWED_AT = "2026-01-02T03:04:05Z"


def check_table(
    target: TableTarget,
    source: TableSource,
    columns: ColumnMapping,
    options: CaptionOptions,
    image_base: str,
    find_settled: FindSettled,
) -> None:
    """Raise UsageError if the table cannot take the texts of the rows that would be requested.

    `find_settled` tells which keys have their outcome from an earlier run: a row that the table
    refused then is no reason. Neither is a lock that someone holds, which passes. Nothing stays
    changed.
    """
    import sqlalchemy as sa

    _check_labels(target)
    _check_unique_key(target)
    rows_to_request = (
        row_from_record(each.values, columns, line_number=0, image_base=image_base)
        for each in source.read()
        if isinstance(each, Record)
    )
    try:
        sample = _sample(rows_to_request, find_settled)
        states = target.look_up(sample)
    except sa.exc.StatementError as error:
        if error_scope(error) is ErrorScope.MOMENT:
            return
        raise UsageError(f"{target.display_name} cannot be used: {error_text(error)}.") from None
    missing = [key for key, state in states.items() if state is RowState.MISSING]
    missing = [key for key in missing if source.read_one(key) is not None]
    if missing:
        raise UsageError(
            f"{len(missing)} of {len(sample)} keys find no row in {target.name}, for instance "
            f"{missing[0]!r}: name another column with --column key=NAME."
        )
    rows = [row for row in sample if states[row.key] is RowState.OPEN][:_TRIED_ROWS]
    refusals = []
    for row in rows:
        refusal = _try_to_write(target, row, options)
        if refusal == "":
            return
        refusals += [refusal] if refusal else []
    if refusals:
        raise UsageError(f"{target.name} does not take the texts: {refusals[0]}.")


def _sample(rows: Iterator[Row], find_settled: FindSettled) -> list[Row]:
    sample: list[Row] = []
    while len(sample) < _SAMPLE_ROWS and (page := list(itertools.islice(rows, _SAMPLE_ROWS))):
        settled = find_settled([row.key for row in page])
        sample += [row for row in page if row.key not in settled]
    return sample


def _check_labels(target: TableTarget) -> None:
    import sqlalchemy as sa

    if "alt_source" not in target.columns:
        return
    column = target.columns.column("alt_source")
    labels = column.type.enums if isinstance(column.type, sa.Enum) else None
    if labels and AltSource.AI.value not in labels:
        raise UsageError(
            f"The column {column.name} of {target.name} takes {', '.join(labels)} and not "
            f"{AltSource.AI.value!r}: add it to the type, or name another column with "
            "--column alt_source=NAME."
        )


def _check_unique_key(target: TableTarget) -> None:
    """One key must be one row of the target, whatever the query that was read has made of it."""
    import sqlalchemy as sa

    key = target.key.column
    if [column.name for column in target.table.primary_key] == [target.key_name]:
        return
    duplicates = (
        sa.select(target.key.selected).where(target.key.has_value).group_by(key)
        .having(sa.func.count() > 1).limit(1)
    )  # fmt: skip
    with database.read_connection(target.engine) as connection:
        found = connection.execute(duplicates).first()
    if found is not None:
        raise UsageError(
            f"{target.key_name!r} is not a unique key of {target.name}: {found[0]!r} is there "
            "twice, and a text would go to each."
        )


def _try_to_write(target: TableTarget, row: Row, options: CaptionOptions) -> str | None:
    """Write a text into a row and roll it back.

    Returns why the table refuses it, '' if it does not, or None if the row is locked.
    """
    import sqlalchemy as sa

    with target.engine.connect() as connection:
        transaction = connection.begin()
        try:
            database.prepare_to_write(connection)
            if _can_roll_back(connection, target):
                _write(connection, target, row, options)
            else:
                values = target.column_values(_probe(row, target, options))
                connection.execute(sa.update(target.table).where(sa.false()).values(values))
        except RowRefused as error:
            return str(error)
        except (sa.exc.StatementError, ValueError) as error:
            return None if error_scope(error) is ErrorScope.MOMENT else error_text(error)
        finally:
            with contextlib.suppress(sa.exc.DBAPIError):
                transaction.rollback()
    return ""


def _write(connection: Connection, target: TableTarget, row: Row, options: CaptionOptions) -> None:
    import sqlalchemy as sa

    target.write_in(connection, [(row, _probe(row, target, options))])
    if "alt_reviewed_at" in target.columns:
        value = target.columns.literal("alt_reviewed_at", _REVIEWED_AT)
        name = target.columns.column("alt_reviewed_at").name
        is_row = target.key.is_one_of([row.key])
        connection.execute(sa.update(target.table).where(is_row).values({name: value}))
    if target.engine.dialect.name != "postgresql":
        return
    try:
        # Else they would be checked at the commit, which does not come.
        with connection.begin_nested():
            connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    except sa.exc.DBAPIError as error:
        if error_scope(error) is not ErrorScope.TABLE:  # another server of the same protocol
            raise


def _probe(row: Row, target: TableTarget, options: CaptionOptions) -> Outcome:
    """An outcome with a short text in the letters of each language."""
    limits = target.max_chars()
    fields = options.text_fields()
    texts = tuple(
        TextResult(style, locale, _text_in(locale)[: limits.get(fields[style, locale])])
        for style, locale in options.pairs
    )
    first = texts[0]
    return Outcome(
        row.key, AltSource.AI, RequestResult(texts), alt=first.text, alt_locale=first.locale,
        alt_model="none", reasons=("a check",), search_text=first.text,
    )  # fmt: skip


def _text_in(locale: str) -> str:
    return _TEXTS.get(locale.partition("-")[0].lower(), _DEFAULT_TEXT)


def _can_roll_back(connection: Connection, target: TableTarget) -> bool:
    """Whether the engine of the table, or of each table of the view, has transactions.

    MyISAM and Aria have none.
    """
    import sqlalchemy as sa

    if target.engine.dialect.name not in ("mysql", "mariadb"):
        return True
    names = {"schema": target.table.schema, "name": target.table.name}
    view = sa.text(
        "SELECT view_definition FROM information_schema.views"
        " WHERE table_schema = coalesce(:schema, database()) AND table_name = :name"
    )
    definition = connection.execute(view, names).scalar()
    tables = sa.text(
        "SELECT t.table_name, t.table_type, e.transactions FROM information_schema.tables t"
        " LEFT JOIN information_schema.engines e ON e.engine = t.engine"
        " WHERE :definition IS NULL AND t.table_schema = coalesce(:schema, database())"
        "  AND t.table_name = :name"
        # A view names each table with its schema, which may be another one.
        " OR locate(concat('`', t.table_schema, '`.`', t.table_name, '`'), :definition) > 0"
    )
    found = connection.execute(tables, {**names, "definition": definition}).all()
    return bool(found) and all(
        kind == "BASE TABLE" and transactions == "YES" for _, kind, transactions in found
    )
