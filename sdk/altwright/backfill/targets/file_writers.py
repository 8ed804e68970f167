"""Writers of a new file in CSV, JSON lines and Parquet.

A file of the source's format is the source's own bytes with the set cells; of a folder or a table
it is written anew. Each writer keeps a digest of the records, to compare with what is read back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from altwright.backfill.column_mapping import cell_to_text
from altwright.backfill.optional_imports import import_pyarrow
from altwright.backfill.sources.base import Piece, Record
from altwright.backfill.sources.csv_file import CsvDialect
from altwright.backfill.targets.text_splicing import Splicer, format_cell

Cells = Mapping[str, str]
"""Column to the text that is set."""


class RecordDigest:
    """A hash over the values of all records, in their order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, values: Mapping[str, object], columns: Sequence[str] | None = None) -> None:
        """Add a record: its values of these columns, or all of them with their names."""
        found = (
            sorted(values.items(), key=lambda each: each[0])
            if columns is None
            else [values.get(name, "") for name in columns]
        )
        self._hash.update(repr(found).encode("utf-8", "surrogatepass"))

    @property
    def value(self) -> str:
        """The hash so far."""
        return self._hash.hexdigest()


class SplicingWriter:
    """Copies the pieces of a text file, with the set cells."""

    def __init__(self, path: Path, splicer: Splicer, columns: Sequence[str] | None) -> None:
        """`columns` are those of the new file; None if each record has its own."""
        self._file = path.open("xb")
        self._splicer = splicer
        self._columns = columns
        self.digest = RecordDigest()

    def add(self, pieces: Sequence[Piece], cells: Sequence[Cells]) -> None:
        """Write pieces; `cells` are those of their records, in the same order."""
        remaining = iter(cells)
        for piece in pieces:
            if piece.is_header:
                self._file.write(self._splicer.header(piece.raw))
            elif isinstance(piece.record, Record):
                to_set = next(remaining)
                self._file.write(self._splicer.record(piece.raw, to_set))
                self.digest.add({**piece.record.values, **to_set}, self._columns)
            else:
                self._file.write(piece.raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class NewFileWriter(Protocol):
    """Writes the records of a folder or a table into a file of its own making."""

    def add(self, records: Sequence[Record], cells: Sequence[Cells]) -> None:
        """Write records with the set cells."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class CsvWriter:
    """Writes CSV."""

    def __init__(self, path: Path, columns: Sequence[str], dialect: CsvDialect) -> None:
        self._file = path.open("xb")
        self._columns = columns
        self._dialect = dialect
        self._write(columns)

    def add(self, records: Sequence[Record], cells: Sequence[Cells]) -> None:
        for record, to_set in zip(records, cells, strict=True):
            values = {**record.values, **to_set}
            self._write([cell_to_text(values.get(name)) for name in self._columns])

    def _write(self, cells: Sequence[str]) -> None:
        line = self._dialect.delimiter.join(format_cell(each, self._dialect) for each in cells)
        # A single empty cell would be an empty line, which is no record.
        self._file.write(self._dialect.encoding.encode((line or '""') + "\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class JsonlWriter:
    """Writes JSON lines in UTF-8."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", newline="\n")

    def add(self, records: Sequence[Record], cells: Sequence[Cells]) -> None:
        for record, to_set in zip(records, cells, strict=True):
            values = {**record.values, **to_set}
            line = json.dumps(values, ensure_ascii=False, default=cell_to_text)
            self._file.write(line + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


class NewParquetWriter:
    """Writes Parquet whose columns are all text."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        pa = import_pyarrow()
        import pyarrow.parquet

        self._columns = columns
        self._schema = pa.schema([(name, pa.string()) for name in columns])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema)

    def add(self, records: Sequence[Record], cells: Sequence[Cells]) -> None:
        import pyarrow as pa

        arrays = [
            pa.array(
                [
                    to_set.get(name, cell_to_text(record.values.get(name)) or None)
                    for record, to_set in zip(records, cells, strict=True)
                ],
                pa.string(),
            )
            for name in self._columns
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._writer.close()
