"""Image check: whether a row of a table still shows the image that was described.

The statement that writes compares the image with the table's own column. Where that column has
another text than the source gave (JSON, bytes that are not UTF-8), or where a query takes the image
from another table, the source is read again right before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.key_column import KeyColumn
from altwright.backfill.sources.table import TableSource
from altwright.backfill.text_conditions import as_string, equals_exactly
from altwright.backfill.types import Row

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine


class ImageCheck:
    """Compares the images of rows with what their table, or the query that was read, has now."""

    def __init__(
        self,
        engine: Engine,
        key: KeyColumn,
        column: ColumnElement[Any] | None,
        source: TableSource,
    ) -> None:
        """`column` is the table's column of the image's name, if there is one."""
        self._engine = engine
        self._key = key
        self._column = column
        self._source = source

    @property
    def cell(self) -> ColumnElement[Any]:
        """What to select for `find_changed`."""
        import sqlalchemy as sa

        return sa.null() if self._column is None else as_string(self._column)

    def find_changed(
        self, connection: Connection, cells: Iterable[tuple[Row, object]]
    ) -> Collection[str]:
        """Keys of rows that show another image; `cells` has each row with its selected `cell`.

        A row that the query does not have any more shows none that could be compared.
        """
        others = [
            row
            for row, cell in cells
            if row.image and (self._column is None or str(cell or "") != _image_of(row))
        ]
        if not others:
            return frozenset()
        with self._reading(connection) as reading:
            found = self._source.read_images(reading, [row.key for row in others])
        return {row.key for row in others if found.get(row.key, _image_of(row)) != _image_of(row)}

    def find_changed_elsewhere(
        self, connection: Connection, rows: Iterable[Row]
    ) -> Collection[str]:
        """Of a query whose images the table does not have: keys of rows with another image now."""
        if self._column is not None:
            return frozenset()
        return self.find_changed(connection, [(row, None) for row in rows])

    def has_image(self, row: Row) -> ColumnElement[bool]:
        """The condition that the table's column has the row's image."""
        import sqlalchemy as sa

        if self._column is None or not row.image:
            return sa.true()
        return equals_exactly(self._engine, self._column, _image_of(row))

    def has_same_cell(self, connection: Connection, row: Row) -> ColumnElement[bool] | None:
        """The condition that the column has the text that it has now, where that is not the row's.

        None if the column has the row's image, or if the row shows another one.
        """
        import sqlalchemy as sa

        if self._column is None or not row.image:
            return None
        is_row = self._key.is_one_of([row.key])
        with self._reading(connection) as reading:
            cell = reading.execute(sa.select(self.cell).where(is_row)).scalar()
        if not isinstance(cell, str) or cell == _image_of(row):
            return None
        if self.find_changed(connection, [(row, cell)]):
            return None
        try:
            cell.encode()
        except UnicodeEncodeError:  # SQLite's text that is not UTF-8 cannot be sent back
            return sa.true()
        return equals_exactly(self._engine, self._column, cell)

    @contextlib.contextmanager
    def _reading(self, connection: Connection) -> Iterator[Connection]:
        """A connection to read with: of MySQL another one than that which writes.

        MySQL shows a transaction for the rest of it what there was at its first read: a text that
        somebody writes after it would not be seen. A pooler before PostgreSQL may have no other.
        """
        if self._engine.dialect.name not in ("mysql", "mariadb"):
            yield connection
            return
        with self._engine.connect() as another:
            database.prepare_to_read(another)
            yield another


def _image_of(row: Row) -> str:
    return row.image_cell or row.image
