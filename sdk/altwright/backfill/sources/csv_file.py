"""CSV source: finds encoding and separator, and skips single broken lines.

It uses Python's reader, which knows the line of an error; Arrow's streaming reader does not.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.errors import UsageError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAX_CELL_CHARS = 8 * 1024 * 1024
"""The server's limit of a request body. A longer cell is a quote that is never closed."""


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How a CSV file is written; the target file follows it."""

    encoding: str
    delimiter: str
    line_end: str

    @property
    def has_bom(self) -> bool:
        """Whether the file begins with a byte order mark, which some programs need."""
        return self.encoding != "utf-8" and self.encoding.startswith("utf-")


class CsvSource:
    """A CSV file with a header."""

    primary_key = None

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        """Read the header, and the whole file once if its encoding has to be found.

        Raises UsageError.
        """
        self._path = path
        self.notes: list[str] = []
        csv.field_size_limit(_MAX_CELL_CHARS)
        try:
            self._encoding = self._find_encoding(encoding)
            with self._open() as file:
                first_line = file.readline()
                self.dialect = _find_dialect(first_line, self._encoding, path)
                file.seek(0)
                header = next(iter(_CsvReader(file, self.dialect.delimiter)), None)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        except UnicodeError as error:
            raise UsageError(
                f"{path} is not {self._encoding} ({error}): name another --encoding; utf-16-le and "
                "utf-16-be need no byte order mark."
            ) from None
        if not isinstance(header, _Cells):
            raise UsageError(f"{path} has no header: its first line must name the columns.")
        self.columns: Sequence[str] = [name.strip() for name in header.cells]
        check_column_names(self.columns, path)

    @property
    def display_name(self) -> str:
        """Its path."""
        return str(self._path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every record; a BrokenRecord in place of each that cannot be read."""
        with self._open() as file:
            rows = iter(_CsvReader(file, self.dialect.delimiter, cell_count=len(self.columns)))
            next(rows)  # the header
            for row in rows:
                if isinstance(row, BrokenRecord):
                    yield row
                else:
                    yield Record(row.line_number, dict(zip(self.columns, row.cells, strict=True)))

    def _open(self) -> IO[str]:
        return self._path.open(encoding=self._encoding, errors="surrogateescape", newline="")

    def _find_encoding(self, given: str | None) -> str:
        if given is not None:
            try:
                io.TextIOWrapper(io.BytesIO(), given)  # refuses codecs that are not for text: rot13
                return codecs.lookup(given).name
            except LookupError:
                raise UsageError(f"There is no encoding {given!r}: try utf-8 or cp1252.") from None
        with self._path.open("rb") as file:
            start = file.read(4)
            for mark, name in _BYTE_ORDER_MARKS:
                if start.startswith(mark):
                    return name
            file.seek(0)
            utf8_lines, other_lines = _count_encoded_lines(file)
        # Not one line of non-ASCII UTF-8, and some of another encoding: a Windows program's.
        if other_lines and not utf8_lines:
            self.notes.append(f"{self._path} is not UTF-8: read as cp1252 (see --encoding).")
            return "cp1252"
        return "utf-8"


@dataclass(frozen=True, slots=True)
class _Cells:
    line_number: int
    cells: list[str]


class _CsvReader:
    """The rows of a file. After a broken row it restarts at the line after the row's first line.

    So a quote that is never closed costs one line and not the rest of the file.
    """

    def __init__(self, file: IO[str], delimiter: str, cell_count: int | None = None) -> None:
        self._lines: Iterator[str] = iter(file)
        self._delimiter = delimiter
        self._cell_count = cell_count
        self._lines_to_repeat: deque[str] = deque()
        self._lines_of_row: list[str] = []
        self._line_number = 0

    def __iter__(self) -> Iterator[_Cells | BrokenRecord]:
        reader = self._start_reader()
        while True:
            self._lines_of_row = []
            first = self._line_number + 1
            try:
                cells = next(reader)
                problem = self._problem_with(cells)
            except StopIteration:
                return
            except UnicodeError as error:  # truncated UTF-16: what follows cannot be decoded
                yield BrokenRecord(first, f"cannot be decoded, nor what follows ({error})", "")
                return
            except csv.Error as error:
                problem, cells = f"is not valid CSV ({error})", []
            if not problem:
                if cells:
                    yield _Cells(first, cells)
                continue
            first_line, *rest = self._lines_of_row
            self._lines_to_repeat.extendleft(reversed(rest))
            self._line_number -= len(rest)
            reader = self._start_reader()
            yield BrokenRecord(first, problem, first_line.rstrip("\r\n"))

    def _start_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._next_lines(), delimiter=self._delimiter, strict=True)

    def _next_lines(self) -> Iterator[str]:
        while True:
            repeated = self._lines_to_repeat
            line = repeated.popleft() if repeated else next(self._lines, None)
            if line is None:
                return
            self._line_number += 1
            self._lines_of_row.append(line)
            yield line

    def _problem_with(self, cells: Sequence[str]) -> str:
        if not cells:
            return ""
        if self._cell_count is not None and len(cells) != self._cell_count:
            return f"has {len(cells)} cells instead of {self._cell_count}"
        if any("\udc80" <= char <= "\udcff" for char in "".join(cells)):
            return "has bytes that are not in the file's encoding"
        return ""


def check_column_names(names: Sequence[str], path: Path) -> None:
    """Raise UsageError if a column has no name, or two have the same."""
    duplicates = sorted({name for name in names if list(names).count(name) > 1})
    if duplicates:
        raise UsageError(f"{path} has more than one column {duplicates[0]!r}: rename one of them.")
    if "" in names:
        raise UsageError(f"{path} has a column without a name: its number {names.index('') + 1}.")


def _find_dialect(first_line: str, encoding: str, path: Path) -> CsvDialect:
    separators = "\t" if path.suffix.lower() == ".tsv" else ",;\t|"
    delimiter = max(separators, key=first_line.count) if first_line else ","
    return CsvDialect(encoding, delimiter, "\r\n" if first_line.endswith("\r\n") else "\n")


def _count_encoded_lines(file: Iterable[bytes]) -> tuple[int, int]:
    """Lines with non-ASCII UTF-8, and lines that are not UTF-8."""
    utf8 = other = 0
    for line in file:
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            utf8 += 1
        except UnicodeDecodeError:
            other += 1
    return utf8, other
