"""Writers of a new file in the formats CSV, JSON lines and Parquet.

Each writes one page of records at a time; columns that the backfill sets replace those of the
source.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from altwright.backfill.column_mapping import cell_to_text
from altwright.backfill.optional_imports import import_pyarrow
from altwright.backfill.sources.base import Record
from altwright.backfill.sources.csv_file import CsvDialect
from altwright.backfill.sources.parquet_file import ParquetSource


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of the source, in memory at once."""

    records: list[Record]
    broken_count: int = 0
    batch: Any = None
    """The Arrow record batch if the source is Parquet: its types are kept."""


class FileWriter(Protocol):
    """A file that is being written; to be used as a context manager."""

    def add(self, page: Page, set_columns: Sequence[Mapping[str, str]]) -> None:
        """Write a page; `set_columns` has the columns to set for each record, by name."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class CsvWriter:
    """Writes CSV in UTF-8 with the separator and line ends of the source."""

    def __init__(self, path: Path, columns: Sequence[str], dialect: CsvDialect) -> None:
        # Always UTF-8: captions may be in any language.
        encoding = "utf-8-sig" if dialect.has_bom else "utf-8"
        self._file = path.open("w", encoding=encoding, errors="surrogateescape", newline="")
        self._columns = columns
        self._csv = csv.writer(
            self._file, delimiter=dialect.delimiter, lineterminator=dialect.line_end
        )
        self._csv.writerow(columns)

    def add(self, page: Page, set_columns: Sequence[Mapping[str, str]]) -> None:
        for record, to_set in zip(page.records, set_columns, strict=True):
            values = {**record.values, **to_set}
            self._csv.writerow([cell_to_text(values.get(name)) for name in self._columns])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class JsonlWriter:
    """Writes JSON lines in UTF-8."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def add(self, page: Page, set_columns: Sequence[Mapping[str, str]]) -> None:
        for record, to_set in zip(page.records, set_columns, strict=True):
            values = {**record.values, **to_set}
            line = json.dumps(values, ensure_ascii=False, default=cell_to_text)
            self._file.write(line + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class ParquetWriter:
    """Writes Parquet: audit columns are text, every other column keeps its type and bytes."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        audit_columns: Sequence[str],
        source: ParquetSource | None,
    ) -> None:
        pa = import_pyarrow()
        import pyarrow.parquet

        self._columns = columns
        self._kept = [
            name for name in (source.columns if source else ()) if name not in audit_columns
        ]
        types = {name: source.schema.field(name).type for name in self._kept} if source else {}
        self._schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def add(self, page: Page, set_columns: Sequence[Mapping[str, str]]) -> None:
        import pyarrow as pa

        arrays = []
        for name in self._columns:
            if name in self._kept:
                arrays.append(page.batch.column(name))
                continue
            cells = [
                to_set.get(name, cell_to_text(record.values.get(name)) or None)
                for record, to_set in zip(page.records, set_columns, strict=True)
            ]
            arrays.append(pa.array(cells, pa.string()))
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._writer.close()
