"""A new file: every record of the source, with the audit fields, in the source's own format.

Written under another name and renamed when it is whole: nobody ever sees half of it.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, Self

from altwright.backfill import audit_fields, optional_imports
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import (
    ColumnMapping,
    cell_to_text,
    needs_alt_text,
    row_from_record,
)
from altwright.backfill.errors import SourceError
from altwright.backfill.journal.journal import Journal
from altwright.backfill.sources.base import BrokenRecord, Record, Source, read_records
from altwright.backfill.sources.csv_file import CsvDialect, CsvSource
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource, batch_to_records
from altwright.backfill.types import AltSource, Outcome
from altwright.errors import UsageError

SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
"""Formats by the file's name."""
_PAGE = 500
"""Records in memory at once."""


@dataclass(frozen=True, slots=True)
class FileWriteResult:
    """What came of it."""

    broken: int
    """Pieces of the source that stand in a file beside it."""
    left_out: frozenset[str]
    """Keys of decisions whose row the source has no more, or not as it was looked at."""


class FileTarget:
    """One file, written whole from the source and the journal whenever a run ends."""

    def __init__(
        self, path: Path, source: Source, columns: ColumnMapping, asked: CaptionOptions, base: str
    ) -> None:
        """Raises UsageError where the name tells no format, or another one than the source has."""
        self._path = path
        self._source = source
        self._columns = columns
        self._asked = asked
        self._base = base
        self.shown = str(path)
        self._format = SUFFIXES.get(path.suffix.lower(), "")
        if not self._format:
            raise UsageError(f"{path}: a target is .csv, .jsonl or .parquet.")
        own = {CsvSource: "csv", JsonlSource: "jsonl", ParquetSource: "parquet"}.get(type(source))
        if own is not None and own != self._format:
            raise UsageError(f"{path}: a target has the format of its source, {own}.")
        if not path.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {path.parent}.")
        if path.exists() and Path(source.shown).exists() and path.samefile(source.shown):
            raise UsageError(f"{path} is the source itself: name a new file.")

    def check(self, journal: Journal) -> None:
        """Raises UsageError where a file is there that is not this run's, or was changed since."""
        if not self._path.exists():
            return
        if not journal.target_stamps:
            raise UsageError(f"{self._path} is there already: name a new file, or move it away.")
        if _stamp(self._path) not in journal.target_stamps:
            raise UsageError(
                f"{self._path} was changed since it was written: move it away, so that nothing in "
                "it is lost."
            )

    def write(self, journal: Journal, decided: Collection[str] = ()) -> FileWriteResult:
        """Write it; `decided` are keys whose outcome a person expects to find there.

        Raises OSError and SourceError, and leaves what was there as it was then.
        """
        part = self._path.with_name(f".{self._path.name}.part")
        beside = self._path.with_name(f"{self._path.name}.broken")
        beside_part = self._path.with_name(f".{self._path.name}.broken.part")
        try:
            with self._opened(part) as out, _beside(beside_part) as rest:
                broken, left_out = 0, set(decided)
                for page in _pages(self._source, rest):
                    broken += page.broken
                    told = self._told(page.records, journal)
                    left_out.difference_update(told.set)
                    out.add(page, told.columns)
            # First the journal knows what will be there: a kill in between, or a disk that is full,
            # must not make our own file a stranger's.
            stamp = _stamp(part)
            there = [_stamp(self._path)] if self._path.exists() else []
            journal.set_target_stamps(stamp, *there)
            _move(part, self._path)
            if broken:
                _move(beside_part, beside)
        finally:
            part.unlink(missing_ok=True)
            beside_part.unlink(missing_ok=True)
        journal.set_target_stamps(stamp)
        journal.mark_all_written()
        return FileWriteResult(broken, frozenset(left_out))

    def _told(self, records: Sequence[Record], journal: Journal) -> _Told:
        # By their order in the page: the records of a table have no place.
        rows = {
            number: row_from_record(
                record.values, self._columns, place=record.place, base=self._base
            )
            for number, record in enumerate(records)
            if needs_alt_text(record.values, self._columns)
        }
        found = journal.outcomes_of([row.key for row in rows.values()])
        told = _Told([], [])
        for number, record in enumerate(records):
            row = rows.get(number)
            if row is None:
                told.columns.append({})
                continue
            known = found.get(row.key)
            if known is None or not known[0].asks_as(row):
                told.columns.append({self._columns.named("alt_source"): AltSource.PENDING.value})
                continue
            told.columns.append(self._set(known[1], record))
            told.set.append(row.key)
        return told

    def _set(self, outcome: Outcome, record: Record) -> dict[str, str]:
        """Column to text. Further texts that stand there, perhaps a person's, stay."""
        further = {*self._asked.fields().values()} - {"alt"}
        told: dict[str, str] = {}
        for name, text in audit_fields.audit_values(outcome, self._asked).items():
            column = self._columns.named(name)
            there = str(record.values.get(column) or "").strip()
            if there and (name in further or (name == "alt_reviewed_at" and not text)):
                continue
            told[column] = text
        return told

    def _opened(self, part: Path) -> _Out:
        own = list(self._source.columns)
        audited = [
            self._columns.named(name) for name in audit_fields.audit_field_names(self._asked)
        ]
        names = [*own, *(name for name in dict.fromkeys(audited) if name not in own)]
        if self._format == "csv":
            given = self._source.dialect if isinstance(self._source, CsvSource) else None
            mark = "\t" if self._path.suffix.lower() == ".tsv" else ","
            return _CsvOut(part, names, given or CsvDialect("utf-8", mark, "\n"))
        if self._format == "jsonl":
            return _JsonlOut(part)
        given_file = self._source if isinstance(self._source, ParquetSource) else None
        return _ParquetOut(part, names, audited, given_file)


def _stamp(path: Path) -> str:
    """Changes when anybody writes into the file; a rename leaves it."""
    about = path.stat()
    return f"{about.st_size}:{about.st_mtime_ns}"


def _beside(path: Path) -> IO[str]:
    """For broken pieces: bytes that are not UTF-8 stay what they are."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


@dataclass(frozen=True, slots=True)
class _Told:
    columns: list[dict[str, str]]
    """For each record the columns that are set, by name."""
    set: list[str]
    """Keys of those that were given their outcome."""


@dataclass(frozen=True, slots=True)
class _Page:
    records: list[Record]
    broken: int = 0
    batch: Any = None
    """Arrow's own, where the source is Parquet: its types are kept."""


def _pages(source: Source, rest: IO[str]) -> Iterator[_Page]:
    """The source in pieces; what is broken goes to `rest`, as it stands."""
    if isinstance(source, ParquetSource):
        number = 0
        for batch in _batches(source):
            records = [Record(number + n, v) for n, v in enumerate(batch_to_records(batch), 1)]
            number += len(records)
            yield _Page(records, batch=batch)
        return
    everything = read_records(source)
    while True:
        taken = list(itertools.islice(everything, _PAGE))
        broken = [each for each in taken if isinstance(each, BrokenRecord)]
        rest.writelines(f"{each.text}\n" for each in broken if each.text)
        if not taken:
            return
        yield _Page([each for each in taken if isinstance(each, Record)], len(broken))


def _batches(source: ParquetSource) -> Iterator[Any]:
    import pyarrow as pa

    try:
        yield from source.batches()
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{source.shown} is damaged: {error}", may_pass=False) from error


def _move(part: Path, path: Path) -> None:
    """On the disk, then in its place: a power cut leaves the old one or the new one."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


class _Out(Protocol):
    def add(self, page: _Page, told: list[dict[str, str]]) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *told: object) -> None: ...


class _CsvOut:
    def __init__(self, part: Path, names: Sequence[str], dialect: CsvDialect) -> None:
        # Whatever came in, UTF-8 goes out: captions are in any language.
        encoding = "utf-8-sig" if dialect.has_bom else "utf-8"
        self._file = part.open("w", encoding=encoding, errors="surrogateescape", newline="")
        self._names = names
        self._csv = csv.writer(
            self._file, delimiter=dialect.delimiter, lineterminator=dialect.line_end
        )
        self._csv.writerow(names)

    def add(self, page: _Page, told: list[dict[str, str]]) -> None:
        for record, set_to in zip(page.records, told, strict=True):
            values = {**record.values, **set_to}
            self._csv.writerow([cell_to_text(values.get(name)) for name in self._names])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self._file.close()


class _JsonlOut:
    def __init__(self, part: Path) -> None:
        self._file = part.open("w", encoding="utf-8")

    def add(self, page: _Page, told: list[dict[str, str]]) -> None:
        for record, set_to in zip(page.records, told, strict=True):
            line = json.dumps({**record.values, **set_to}, ensure_ascii=False, default=cell_to_text)
            self._file.write(line + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self._file.close()


class _ParquetOut:
    """Audit columns are text; every other column keeps its type, and its bytes."""

    def __init__(
        self, part: Path, names: Sequence[str], audited: Sequence[str], source: ParquetSource | None
    ) -> None:
        pa = optional_imports.import_optional("pyarrow", "Parquet", "backfill")
        import pyarrow.parquet

        self._names = names
        self._kept = [name for name in (source.columns if source else ()) if name not in audited]
        kinds = {name: source.schema.field(name).type for name in self._kept} if source else {}
        self._schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
        self._writer = pyarrow.parquet.ParquetWriter(part, self._schema)

    def add(self, page: _Page, told: list[dict[str, str]]) -> None:
        import pyarrow as pa

        columns = []
        for name in self._names:
            if name in self._kept:
                columns.append(page.batch.column(name))
                continue
            cells = [
                set_to.get(name, cell_to_text(record.values.get(name)) or None)
                for record, set_to in zip(page.records, told, strict=True)
            ]
            columns.append(pa.array(cells, pa.string()))
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        self._writer.close()
