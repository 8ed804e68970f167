"""The content of a file target: every record of its source, with cells set from the journal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from altwright.backfill.column_mapping import (
    ColumnMapping,
    has_key,
    needs_alt_text,
    row_from_record,
)
from altwright.backfill.errors import SourceError
from altwright.backfill.journal.journal import Journal
from altwright.backfill.sources.base import Record, Source, read_records
from altwright.backfill.sources.csv_file import CsvDialect, CsvSource
from altwright.backfill.sources.csv_records import TextEncoding
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource
from altwright.backfill.targets.file_cells import FileCells
from altwright.backfill.targets.file_source import (
    TextSource,
    codec_of,
    read_pages,
    read_pieces,
    reopen,
    to_source_error,
    write_broken,
)
from altwright.backfill.targets.file_writers import (
    CsvWriter,
    JsonlWriter,
    NewFileWriter,
    NewParquetWriter,
    RecordDigest,
    SplicingWriter,
)
from altwright.backfill.targets.parquet_rewriter import (
    CellsOf,
    rewrite_parquet,
    verify_parquet,
)
from altwright.backfill.targets.text_splicing import CsvSplicer, JsonlSplicer
from altwright.backfill.types import Outcome, Row

FILE_FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
"""File suffix to format."""


class FileContent:
    """Copies the source, and sets the cells of rows whose outcome the journal knows."""

    def __init__(
        self,
        path: Path,
        source: Source,
        columns: ColumnMapping,
        image_base: str,
        cells: FileCells,
    ) -> None:
        """`path` is where the file will be put: its suffix names the format of a new one."""
        self._path = path
        self._source = source
        self._columns = columns
        self._image_base = image_base
        self._cells = cells
        self._format = FILE_FORMATS[path.suffix.lower()]
        self._encoding = codec_of(source)
        self.kept_texts: dict[str, list[str]] = {}
        """Of the last write: fields of decided rows that have a text of somebody else, by key."""

    def write(
        self, partial: Path, journal: Journal, broken_file: IO[str], left_out: dict[str, str]
    ) -> None:
        """Write it to `partial`, and read it back; broken records are copied to `broken_file`.

        `left_out` is why decided rows are not in it, by key: those that are in it are removed.
        Raises OSError and SourceError.
        """
        source = self._source
        self.kept_texts.clear()

        def cells_of(records: Sequence[Record]) -> list[dict[str, str]]:
            return self._cells_to_set(records, journal, left_out)

        if isinstance(source, (CsvSource, JsonlSource, ParquetSource)) and not self._has_blanks():
            shutil.copyfile(source.path, partial)
            write_broken(broken_file, read_records(source))
        elif isinstance(source, ParquetSource):
            columns = self._cells.set_columns
            try:
                digest = rewrite_parquet(source, partial, columns, cells_of)
                problem = verify_parquet(source, partial, columns, digest)
            except Exception as error:
                raise to_source_error(source, error) from error
            _check_read_back(self._path, problem)
        elif isinstance(source, (CsvSource, JsonlSource)):
            self._splice(source, partial, broken_file, cells_of)
        else:
            with self._open_writer(partial) as writer:
                for page in read_pages(read_records(source)):
                    write_broken(broken_file, page)
                    records = [each for each in page if isinstance(each, Record)]
                    writer.add(records, cells_of(records))

    def _splice(
        self,
        source: TextSource,
        partial: Path,
        broken_file: IO[str],
        cells_of: CellsOf,
    ) -> None:
        is_csv = isinstance(source, CsvSource)
        new_columns = self._cells.new_columns
        splicer = (
            CsvSplicer(source, new_columns) if isinstance(source, CsvSource) else JsonlSplicer()
        )
        columns = [*source.columns, *new_columns] if is_csv else None
        with SplicingWriter(partial, splicer, columns) as writer:
            for pieces in read_pages(read_pieces(source)):
                records = [each.record for each in pieces]
                write_broken(broken_file, records)
                found = [each for each in records if isinstance(each, Record)]
                writer.add(pieces, cells_of(found))
        digest = RecordDigest()
        for record in reopen(source, partial).read():
            if isinstance(record, Record):
                digest.add(record.values, columns)
        problem = "" if digest.value == writer.digest.value else "its cells are not those written"
        _check_read_back(self._path, problem)

    def _has_blanks(self) -> bool:
        """Whether any record needs an alt text: else the new file is a copy."""
        return any(
            isinstance(each, Record) and needs_alt_text(each.values, self._columns)
            for each in read_records(self._source)
        )

    def _cells_to_set(
        self, records: Sequence[Record], journal: Journal, left_out: dict[str, str]
    ) -> list[dict[str, str]]:
        """For each record the cells to set, by column."""
        is_file = isinstance(self._source, (CsvSource, JsonlSource, ParquetSource))
        # By the index in the page: the records of a table have no line number.
        rows = {
            index: self._row_of(record)
            for index, record in enumerate(records)
            if needs_alt_text(record.values, self._columns)
        }
        keyless = {
            index: row.line_number
            for index, row in rows.items()
            if is_file and not has_key(records[index].values, self._columns)
        }
        by_key = journal.find_outcomes(
            [row.key for index, row in rows.items() if index not in keyless]
        )
        by_place = journal.find_outcomes_at(list(keyless.values()))
        conflicts = journal.find_conflicts([row.line_number for row in rows.values()])
        to_set: list[dict[str, str]] = []
        for index, record in enumerate(records):
            row = rows.get(index)
            if row is None:
                to_set.append({})
                continue
            known = by_place.get(row.line_number) if index in keyless else by_key.get(row.key)
            if known is None or not _is_about(known, row):
                line = conflicts.get(row.line_number) if is_file else None
                to_set.append(
                    self._cells.cells_of_pending()
                    if line is None
                    else self._cells.cells_of_conflict(row.key, line, record.values)
                )
                continue
            to_set.append(self._cells.cells_of(known[1], record.values))
            if kept := self._cells.kept_fields(known[1], record.values):
                self.kept_texts[known[0].key] = kept
            if missing := self._cells.missing_character(known[1]):
                reason = f"the file's encoding, {self._encoding}, has no {missing!r}"
                left_out[known[0].key] = reason
            else:
                left_out.pop(known[0].key, None)
        return to_set

    def _row_of(self, record: Record) -> Row:
        return row_from_record(
            record.values,
            self._columns,
            line_number=record.line_number,
            image_base=self._image_base,
        )

    def _open_writer(self, path: Path) -> NewFileWriter:
        columns = [*self._source.columns, *self._cells.new_columns]
        if self._format == "csv":
            delimiter = "\t" if self._path.suffix.lower() == ".tsv" else ","
            return CsvWriter(path, columns, CsvDialect(TextEncoding("utf-8"), delimiter))
        is_jsonl = self._format == "jsonl"
        return JsonlWriter(path) if is_jsonl else NewParquetWriter(path, columns)


def _is_about(known: tuple[Row, Outcome], row: Row) -> bool:
    """Whether a stored outcome belongs to the row as the source has it."""
    stored, outcome = known
    if outcome.is_decided:
        return stored.image == row.image
    return stored.has_same_request(row)


def _check_read_back(path: Path, problem: str) -> None:
    if problem:
        raise SourceError(
            f"{path} does not read back as it was written ({problem}): it is not put in place",
            is_temporary=False,
        )
