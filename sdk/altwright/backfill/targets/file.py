"""File target: a new file with every record of the source and the audit fields, in its format.

It is written under a temporary name and renamed when it is complete.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from altwright.backfill.audit_fields import audit_field_names, audit_values
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping, needs_alt_text, row_from_record
from altwright.backfill.errors import SourceError
from altwright.backfill.journal.journal import Journal
from altwright.backfill.sources.base import BrokenRecord, Record, Source, read_records
from altwright.backfill.sources.csv_file import CsvDialect, CsvSource
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource, batch_to_dicts
from altwright.backfill.targets.file_writers import (
    CsvWriter,
    FileWriter,
    JsonlWriter,
    Page,
    ParquetWriter,
)
from altwright.backfill.types import AltSource, Outcome
from altwright.errors import UsageError

FILE_FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
"""File suffix to format."""
_PAGE_RECORDS = 500
"""Records in memory at once."""


@dataclass(frozen=True, slots=True)
class _ColumnsToSet:
    by_record: list[dict[str, str]]
    """For each record the columns to set, by name."""
    decided_keys: list[str]
    """Keys of the rows that get their outcome."""


class FileTarget:
    """One file, written completely from the source and the journal at the end of each run."""

    def __init__(
        self,
        path: Path,
        source: Source,
        columns: ColumnMapping,
        options: CaptionOptions,
        image_base: str,
    ) -> None:
        """Raises UsageError if the suffix names no format, or not the format of the source."""
        self._path = path
        self._source = source
        self._columns = columns
        self._options = options
        self._image_base = image_base
        self.display_name = str(path)
        self._format = FILE_FORMATS.get(path.suffix.lower(), "")
        if not self._format:
            raise UsageError(f"{path}: a target is .csv, .jsonl or .parquet.")
        formats = {CsvSource: "csv", JsonlSource: "jsonl", ParquetSource: "parquet"}
        source_format = formats.get(type(source))
        if source_format is not None and source_format != self._format:
            raise UsageError(f"{path}: a target has the format of its source, {source_format}.")
        if not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}.")
        source_path = Path(source.display_name)
        if path.exists() and source_path.exists() and path.samefile(source_path):
            raise UsageError(f"{path} is the source itself: name a new file.")

    def check_unchanged(self, journal: Journal) -> None:
        """Raise UsageError if the file exists and is not as this run last wrote it."""
        if not self._path.exists():
            return
        if not journal.target_fingerprints:
            raise UsageError(f"{self._path} already exists: name a new file, or move it away.")
        if _fingerprint(self._path) not in journal.target_fingerprints:
            raise UsageError(
                f"{self._path} was changed since it was written: move it away, so that nothing in "
                "it is lost."
            )

    def write(self, journal: Journal, decided_keys: Collection[str] = ()) -> set[str]:
        """Write the file. `decided_keys` are rows whose decision should be in it.

        Returns those of them that are left out: their row is gone from the source, or has other
        values now. Broken records are copied into a file beside it. Raises OSError and SourceError,
        and leaves an existing file as it is then.
        """
        partial = self._path.with_name(f".{self._path.name}.part")
        broken_path = self._path.with_name(f"{self._path.name}.broken")
        broken_partial = self._path.with_name(f".{self._path.name}.broken.part")
        try:
            with self._open_writer(partial) as writer, _open_broken(broken_partial) as broken_file:
                broken, left_out = 0, set(decided_keys)
                for page in _read_pages(self._source, broken_file):
                    broken += page.broken_count
                    to_set = self._columns_to_set(page.records, journal)
                    left_out.difference_update(to_set.decided_keys)
                    writer.add(page, to_set.by_record)
            # The journal gets the new fingerprint before the rename: if the process is killed in
            # between, or the disk is full, the file is still recognised as this run's.
            new = _fingerprint(partial)
            old = [_fingerprint(self._path)] if self._path.exists() else []
            journal.set_target_fingerprints(new, *old)
            _replace_file(partial, self._path)
            if broken:
                _replace_file(broken_partial, broken_path)
        finally:
            partial.unlink(missing_ok=True)
            broken_partial.unlink(missing_ok=True)
        journal.set_target_fingerprints(new)
        journal.mark_all_written()
        return left_out

    def _columns_to_set(self, records: Sequence[Record], journal: Journal) -> _ColumnsToSet:
        # By the index in the page: the records of a table have no line number.
        rows = {
            index: row_from_record(
                record.values,
                self._columns,
                line_number=record.line_number,
                image_base=self._image_base,
            )
            for index, record in enumerate(records)
            if needs_alt_text(record.values, self._columns)
        }
        stored = journal.find_outcomes([row.key for row in rows.values()])
        to_set = _ColumnsToSet([], [])
        for index, record in enumerate(records):
            row = rows.get(index)
            if row is None:
                to_set.by_record.append({})
                continue
            known = stored.get(row.key)
            if known is None or not known[0].has_same_request(row):
                source_column = self._columns.target_column("alt_source")
                to_set.by_record.append({source_column: AltSource.PENDING.value})
                continue
            to_set.by_record.append(self._columns_of(known[1], record))
            to_set.decided_keys.append(row.key)
        return to_set

    def _columns_of(self, outcome: Outcome, record: Record) -> dict[str, str]:
        """Column to text. Further texts that the record has, perhaps a person's, are kept."""
        further = {*self._options.text_fields().values()} - {"alt"}
        to_set: dict[str, str] = {}
        for name, text in audit_values(outcome, self._options).items():
            column = self._columns.target_column(name)
            existing = str(record.values.get(column) or "").strip()
            if existing and (name in further or (name == "alt_reviewed_at" and not text)):
                continue
            to_set[column] = text
        return to_set

    def _open_writer(self, path: Path) -> FileWriter:
        columns = list(self._source.columns)
        audit_columns = [
            self._columns.target_column(name) for name in audit_field_names(self._options)
        ]
        new_columns = [name for name in dict.fromkeys(audit_columns) if name not in columns]
        columns += new_columns
        if self._format == "csv":
            dialect = self._source.dialect if isinstance(self._source, CsvSource) else None
            separator = "\t" if self._path.suffix.lower() == ".tsv" else ","
            return CsvWriter(path, columns, dialect or CsvDialect("utf-8", separator, "\n"))
        if self._format == "jsonl":
            return JsonlWriter(path)
        source = self._source if isinstance(self._source, ParquetSource) else None
        return ParquetWriter(path, columns, audit_columns, source)


def _fingerprint(path: Path) -> str:
    """Size and modification time: changes when someone writes the file, but not by a rename."""
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _open_broken(path: Path) -> IO[str]:
    """A file for broken records. Bytes that are not UTF-8 are written back unchanged."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def _read_pages(source: Source, broken_file: IO[str]) -> Iterator[Page]:
    """The source in pages; the text of broken records is written to `broken_file`."""
    if isinstance(source, ParquetSource):
        number = 0
        for batch in _read_batches(source):
            values = list(batch_to_dicts(batch))
            records = [Record(number + n, each) for n, each in enumerate(values, 1)]
            number += len(records)
            yield Page(records, batch=batch)
        return
    remaining = read_records(source)
    while True:
        taken = list(itertools.islice(remaining, _PAGE_RECORDS))
        broken = [each for each in taken if isinstance(each, BrokenRecord)]
        broken_file.writelines(f"{each.text}\n" for each in broken if each.text)
        if not taken:
            return
        yield Page([each for each in taken if isinstance(each, Record)], len(broken))


def _read_batches(source: ParquetSource) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from source.read_batches()
    except (OSError, pa.ArrowException) as error:
        message = f"{source.display_name} is damaged: {error}"
        raise SourceError(message, is_temporary=False) from error


def _replace_file(partial: Path, path: Path) -> None:
    """Flush to the disk, then rename: after a power cut there is the old file or the new one."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
