"""Parquet source: read in batches through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from altwright.backfill.optional_imports import import_pyarrow
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.sources.csv_file import check_column_names
from altwright.errors import UsageError

_BATCH_ROWS = 1_000
"""Rows in memory at once."""
_MAX_BINARY_BYTES = 4_096
"""What is read of a binary cell: enough for a text, and little of an image."""
AUDIT_MARKER = {b"altwright": b"audit"}
"""Metadata of a column that a backfill has added."""


class ParquetSource:
    """A Parquet file."""

    primary_key = None
    notes: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        """Read the footer. Raises UsageError."""
        self.path = path
        pa = import_pyarrow()
        try:
            with self.open() as file:
                self.schema: Any = file.schema_arrow
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None
        except pa.ArrowException as error:
            raise UsageError(f"{path} is not a Parquet file: {error}.") from None
        self.columns: Sequence[str] = list(self.schema.names)
        check_column_names(self.columns, path)

    @property
    def display_name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def marked_columns(self) -> frozenset[str]:
        """Columns that an earlier backfill has added."""
        marked = AUDIT_MARKER.items()
        return frozenset(f.name for f in self.schema if marked <= (f.metadata or {}).items())

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every record, numbered from 1."""
        number = 0
        with self.open() as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch_to_dicts(batch):
                    number += 1
                    yield Record(number, values)

    def open(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The file as pyarrow has it."""
        import pyarrow.parquet

        # Without pre-buffering, memory does not grow with the size of the row groups.
        return pyarrow.parquet.ParquetFile(self.path, pre_buffer=False)


def batch_to_dicts(batch: Any) -> Iterator[dict[str, object]]:  # noqa: ANN401 - pyarrow has no types
    """The rows of a record batch as Python values; of bytes, such as images, the beginning."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: list[list[object]] = []
    for column in batch.columns:
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            columns.append(pc.binary_slice(column, 0, _MAX_BINARY_BYTES).to_pylist())
            continue
        try:
            columns.append(column.to_pylist())
        except UnicodeDecodeError:  # a text column that is not UTF-8
            cells = column.cast(pa.binary()).to_pylist()
            columns.append([c if c is None else c.decode("utf-8", "replace") for c in cells])
        except (ValueError, pa.ArrowException):  # Python has no nanoseconds
            columns.append(column.cast(pa.string()).to_pylist())
    for cells in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, cells, strict=True))
