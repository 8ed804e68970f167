"""Parquet, read a batch at a time through pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from altwright.backfill.optional_imports import import_pyarrow
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.sources.csv_file import check_header
from altwright.errors import UsageError

BATCH = 1_000
"""Rows in memory at once."""


class ParquetSource:
    """A Parquet file."""

    primary_key = None
    notes: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        """Reads its footer. Raises UsageError with one sentence."""
        self._path = path
        pa = import_pyarrow()
        try:
            with self._opened() as file:
                self.schema: Any = file.schema_arrow
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None
        except pa.ArrowException as error:
            raise UsageError(f"{path} is not a Parquet file: {error}.") from None
        self.columns: Sequence[str] = list(self.schema.names)
        check_header(self.columns, path)

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self._path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every record, numbered from 1."""
        number = 0
        for batch in self.batches():
            for values in batch_to_records(batch):
                number += 1
                yield Record(number, values)

    def batches(self) -> Iterator[Any]:
        """Arrow's own batches, with the types of the file."""
        with self._opened() as file:
            yield from file.iter_batches(batch_size=BATCH)

    def _opened(self) -> _Opened:
        import pyarrow.parquet

        # Without pre-buffering memory stays flat for row groups of any size.
        opened: _Opened = pyarrow.parquet.ParquetFile(self._path, pre_buffer=False)
        return opened


class _Opened(Protocol):
    schema_arrow: Any

    def iter_batches(self, batch_size: int) -> Iterator[Any]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *told: object) -> None: ...


def batch_to_records(batch: Any) -> Iterator[dict[str, object]]:  # noqa: ANN401 - pyarrow has no types
    """The rows of a batch as Python's values; pictures and other bytes are left out."""
    import pyarrow as pa

    columns: list[list[object]] = []
    for column in batch.columns:
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            columns.append([None] * len(column))
            continue
        try:
            columns.append(column.to_pylist())
        except UnicodeDecodeError:  # a writer that did not look
            cells = column.cast(pa.binary()).to_pylist()
            columns.append([c if c is None else c.decode("utf-8", "replace") for c in cells])
        except (ValueError, pa.ArrowException):  # Python has no nanoseconds
            columns.append(column.cast(pa.string()).to_pylist())
    for cells in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, cells, strict=True))
