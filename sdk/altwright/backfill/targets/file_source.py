"""The source as a file target reads it: in pages, with its broken records and its own columns."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

from altwright.backfill.errors import SourceError
from altwright.backfill.journal.journal import Journal
from altwright.backfill.sources.base import BrokenRecord, Piece, Source
from altwright.backfill.sources.csv_file import CsvSource
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource
from altwright.errors import UsageError

ADDED_COLUMNS = "added columns"
"""Note of the journal: the columns that its target has got from backfills."""
_PAGE_RECORDS = 500
"""Records in memory at once."""
_OF_TARGET = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of a write; pyarrow raises those of reading and writing alike."""

T = TypeVar("T")
TextSource = CsvSource | JsonlSource


def columns_added_before(source: Source) -> frozenset[str]:
    """Columns of the source that an earlier backfill has added, by its journal or a marker."""
    if isinstance(source, ParquetSource):
        return source.marked_columns
    if not isinstance(source, (CsvSource, JsonlSource)):
        return frozenset()
    path = source.path.with_name(f"{source.path.name}.journal")
    if not path.is_file():
        return frozenset()
    try:
        with Journal.read(path) as journal:
            is_target = Path(journal.identity.target).name == source.path.name
            added = journal.read_note(ADDED_COLUMNS)
    except UsageError:
        return frozenset()
    return frozenset(json.loads(added)) if is_target and added else frozenset()


def read_pieces(source: TextSource) -> Iterator[Piece]:
    """Every piece of a text file. Raises SourceError."""
    try:
        yield from source.read_pieces()
    except OSError as error:
        raise to_source_error(source, error) from error


def codec_of(source: Source) -> str:
    """The codec of a new file with the content of the source; it may lack characters."""
    return source.dialect.encoding.codec if isinstance(source, CsvSource) else "utf-8"


def reopen(source: TextSource, path: Path) -> TextSource:
    """Another file, read as the source is."""
    if isinstance(source, JsonlSource):
        return JsonlSource(path)
    encoding = source.dialect.encoding
    return CsvSource(path, encoding=encoding.codec)


def read_pages(found: Iterator[T]) -> Iterator[list[T]]:
    """Some at a time, which are in memory at once."""
    while page := list(itertools.islice(found, _PAGE_RECORDS)):
        yield page


def write_broken(broken_file: IO[str], records: Iterable[object]) -> None:
    """Copy the broken ones among some records."""
    for each in records:
        if isinstance(each, BrokenRecord) and each.text:
            broken_file.write(f"{each.text}\n")


def to_source_error(source: Source, error: Exception) -> Exception:
    """An error of pyarrow or the file system while a source is read, as SourceError."""
    library = type(error).__module__.partition(".")[0]
    is_of_target = isinstance(error, OSError) and error.errno in _OF_TARGET
    if is_of_target or (library != "pyarrow" and not isinstance(error, OSError)):
        return error
    return SourceError(f"{source.display_name} is damaged: {error}", is_temporary=False)
