"""CSV in whatever encoding and with whatever separator, a broken line at a time.

Python's own reader, for it tells the line of what is broken; Arrow's streaming one does not.
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

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CELL_CHARS = 8 * 1024 * 1024
"""The server takes bodies up to here; a cell that is longer is a quote that never closes."""


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How the file is written; a target in the same format follows it."""

    encoding: str
    delimiter: str
    line_end: str

    @property
    def has_bom(self) -> bool:
        """Whether programs that want a mark at the beginning found one."""
        return self.encoding != "utf-8" and self.encoding.startswith("utf-")


class CsvSource:
    """A CSV file with a header."""

    primary_key = None

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        """Reads the header, and the whole file once where its encoding must be found out.

        Raises UsageError with one sentence.
        """
        self._path = path
        self.notes: list[str] = []
        csv.field_size_limit(_CELL_CHARS)
        try:
            self._encoding = self._found_encoding(encoding)
            with self._opened() as file:
                first = file.readline()
                self.dialect = _dialect(first, self._encoding, path)
                file.seek(0)
                header = next(iter(_Rows(file, self.dialect.delimiter)), None)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        except UnicodeError as error:
            raise UsageError(
                f"{path} is not {self._encoding} ({error}): name another --encoding; utf-16-le and "
                "utf-16-be need no mark at the beginning."
            ) from None
        if not isinstance(header, _Cells):
            raise UsageError(f"{path} has no header: its first line names the columns.")
        self.columns: Sequence[str] = [name.strip() for name in header.cells]
        check_header(self.columns, path)

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self._path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every record; what is broken stands in its place."""
        wanted = len(self.columns)
        with self._opened() as file:
            rows = iter(_Rows(file, self.dialect.delimiter, cells=wanted))
            next(rows)
            for row in rows:
                if isinstance(row, BrokenRecord):
                    yield row
                else:
                    yield Record(row.place, dict(zip(self.columns, row.cells, strict=True)))

    def _opened(self) -> IO[str]:
        return self._path.open(encoding=self._encoding, errors="surrogateescape", newline="")

    def _found_encoding(self, wanted: str | None) -> str:
        if wanted is not None:
            try:
                io.TextIOWrapper(io.BytesIO(), wanted)  # refuses what is none of text, as rot13
                return codecs.lookup(wanted).name
            except LookupError:
                raise UsageError(f"There is no encoding {wanted!r}: try utf-8 or cp1252.") from None
        with self._path.open("rb") as file:
            start = file.read(4)
            for mark, name in _BOMS:
                if start.startswith(mark):
                    return name
            file.seek(0)
            utf8, other = _count_lines(file)
        # Not one line of UTF-8 beyond ASCII, and some of something else: a Windows program's.
        if other and not utf8:
            self.notes.append(f"{self._path} is not UTF-8: read as cp1252 (see --encoding).")
            return "cp1252"
        return "utf-8"


@dataclass(frozen=True, slots=True)
class _Cells:
    place: int
    cells: list[str]


class _Rows:
    """The rows of a file. After a broken one it begins again on the line after its first."""

    def __init__(self, file: IO[str], delimiter: str, cells: int | None = None) -> None:
        self._lines: Iterator[str] = iter(file)
        self._delimiter = delimiter
        self._wanted = cells
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._line = 0

    def __iter__(self) -> Iterator[_Cells | BrokenRecord]:
        reader = self._reader()
        while True:
            self._taken = []
            first = self._line + 1
            try:
                cells = next(reader)
                why = self._wrong_with(cells)
            except StopIteration:
                return
            except UnicodeError as error:  # UTF-16 that is cut off: nothing after it has a meaning
                yield BrokenRecord(first, f"cannot be decoded, nor what follows ({error})", "")
                return
            except csv.Error as error:
                why, cells = f"is not valid CSV ({error})", []
            if not why:
                if cells:
                    yield _Cells(first, cells)
                continue
            text, *rest = self._taken
            self._again.extendleft(reversed(rest))
            self._line -= len(rest)
            reader = self._reader()
            yield BrokenRecord(first, why, text.rstrip("\r\n"))

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed(), delimiter=self._delimiter, strict=True)

    def _feed(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self._lines, None)
            if line is None:
                return
            self._line += 1
            self._taken.append(line)
            yield line

    def _wrong_with(self, cells: Sequence[str]) -> str:
        if not cells:
            return ""
        if self._wanted is not None and len(cells) != self._wanted:
            return f"has {len(cells)} cells instead of {self._wanted}"
        if any("\udc80" <= char <= "\udcff" for char in "".join(cells)):
            return "has bytes that are not in the file's encoding"
        return ""


def _dialect(first: str, encoding: str, path: Path) -> CsvDialect:
    marks = "\t" if path.suffix.lower() == ".tsv" else ",;\t|"
    delimiter = max(marks, key=first.count) if first else ","
    return CsvDialect(encoding, delimiter, "\r\n" if first.endswith("\r\n") else "\n")


def check_header(names: Sequence[str], path: Path) -> None:
    """Raises UsageError where columns cannot be told from each other by their names."""
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise UsageError(f"{path} has more than one column {twice[0]!r}: rename one of them.")
    if "" in names:
        raise UsageError(f"{path} has a column without a name: its number {names.index('') + 1}.")


def _count_lines(file: Iterable[bytes] | io.BufferedReader) -> tuple[int, int]:
    """Lines with valid UTF-8 beyond ASCII, and lines that are not UTF-8."""
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
