"""Parquet source: read in batches through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from altwright.backfill.optional_imports import import_pyarrow
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.sources.csv_file import check_column_names
from altwright.errors import UsageError

_BATCH_ROWS = 1_000
"""Rows in memory at once."""


class ParquetSource:
    """A Parquet file."""

    primary_key = None
    notes: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        """Read the footer. Raises UsageError."""
        self._path = path
        pa = import_pyarrow()
        try:
            with self._open() as file:
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
        return str(self._path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every record, numbered from 1."""
        number = 0
        for batch in self.read_batches():
            for values in batch_to_dicts(batch):
                number += 1
                yield Record(number, values)

    def read_batches(self) -> Iterator[Any]:
        """Arrow record batches, with the types of the file."""
        with self._open() as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS)

    def _open(self) -> _PyarrowFile:
        import pyarrow.parquet

        # Without pre-buffering, memory does not grow with the size of the row groups.
        file: _PyarrowFile = pyarrow.parquet.ParquetFile(self._path, pre_buffer=False)
        return file


class _PyarrowFile(Protocol):
    """What is used of pyarrow's ParquetFile, which has no types."""

    schema_arrow: Any

    def iter_batches(self, batch_size: int) -> Iterator[Any]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


def batch_to_dicts(batch: Any) -> Iterator[dict[str, object]]:  # noqa: ANN401 - pyarrow has no types
    """The rows of a record batch as Python values; bytes, such as images, become None."""
    import pyarrow as pa

    columns: list[list[object]] = []
    for column in batch.columns:
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            columns.append([None] * len(column))
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
