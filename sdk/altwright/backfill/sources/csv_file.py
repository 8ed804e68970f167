"""CSV source: finds encoding and delimiter, and skips single broken lines."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from altwright.backfill.errors import SourceError
from altwright.backfill.sources.base import BrokenRecord, Piece, Record
from altwright.backfill.sources.csv_records import (
    Cells,
    CsvRecordReader,
    TextEncoding,
    Unreadable,
    find_byte_order_mark,
    read_lines,
    with_byte_order_mark,
)
from altwright.errors import UsageError

_SEPARATOR_LINE = re.compile(r'("?)sep=(.)\1\s*', re.IGNORECASE | re.DOTALL)
"""A first line that tells spreadsheet programs the delimiter; it is no record."""


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How a CSV file is written; the target file follows it."""

    encoding: TextEncoding
    delimiter: str
    quotes_all: bool = False
    """Whether every column's name is quoted, and so every new cell, too."""


class CsvSource:
    """A CSV file with a header."""

    primary_key = None

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        """Read the header, and the whole file once if its encoding has to be found.

        Raises UsageError.
        """
        self.path = path
        self.notes: list[str] = []
        name = encoding or "utf-8"
        try:
            if encoding is not None:
                _check_encoding(encoding)
            with path.open("rb") as file:
                start = file.read(4)
                name = encoding or self._find_encoding(file, start)
                text_encoding = with_byte_order_mark(name, start)
                told = _read_separator_line(file, text_encoding)
                delimiter, header = _read_header(file, text_encoding, path, told)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        except UnicodeError as error:
            raise UsageError(
                f"{path} is not {name} ({error}): name another --encoding; utf-16-le and "
                "utf-16-be need no byte order mark."
            ) from None
        if isinstance(header, Unreadable) and header.line.text is None:
            raise UsageError(f"{path} is not {name}: name another --encoding.")
        if not isinstance(header, Cells):
            raise UsageError(f"{path} has no header: its first line must name the columns.")
        self._header = header.raw
        self._has_separator_line = bool(told)
        quotes_all = all(header.text[begin] == '"' for begin, _ in header.spans or [(0, 0)])
        self.dialect = CsvDialect(text_encoding, delimiter, quotes_all)
        self.columns: Sequence[str] = [name.strip() for name in header.values]
        check_column_names(self.columns, path)

    @property
    def display_name(self) -> str:
        """Its path."""
        return str(self.path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every record; a BrokenRecord in place of each that cannot be read."""
        return (piece.record for piece in self.read_pieces() if piece.record is not None)

    def read_pieces(self) -> Iterator[Piece]:
        """Every byte of the file. Raises SourceError if it has another header by now."""
        encoding = self.dialect.encoding
        with self.path.open("rb") as file:
            yield Piece(file.read(len(encoding.bom)))
            found_header, at_separator_line = False, self._has_separator_line
            reader = CsvRecordReader(file, encoding, self.dialect.delimiter, len(self.columns))
            for row in reader:
                if at_separator_line:
                    at_separator_line = False
                    yield Piece(row.raw if isinstance(row, Cells) else row.line.raw)
                elif isinstance(row, Cells) and not row.values:
                    yield Piece(row.raw)
                elif not found_header:
                    found_header = True
                    if not isinstance(row, Cells) or row.raw != self._header:
                        raise SourceError(
                            f"{self.path} has other columns than a moment ago", is_temporary=True
                        )
                    yield Piece(row.raw, is_header=True)
                elif isinstance(row, Cells):
                    values = dict(zip(self.columns, row.values, strict=True))
                    yield Piece(row.raw, Record(row.line_number, values))
                else:
                    text = (row.line.text or "").rstrip("\r\n")
                    yield Piece(row.line.raw, BrokenRecord(row.line_number, row.problem, text))

    def _find_encoding(self, file: IO[bytes], start: bytes) -> str:
        if (marked := find_byte_order_mark(start)) is not None:
            return marked
        file.seek(0)
        utf8_lines, other_lines = _count_encoded_lines(file)
        # Not one line of non-ASCII UTF-8, and some of another encoding: a Windows program's.
        if other_lines and not utf8_lines:
            self.notes.append(f"{self.path} is not UTF-8: read as cp1252 (see --encoding).")
            return "cp1252"
        return "utf-8"


def check_column_names(names: Sequence[str], path: Path) -> None:
    """Raise UsageError if a column has no name, or two have the same."""
    duplicates = sorted({name for name in names if list(names).count(name) > 1})
    if duplicates:
        raise UsageError(f"{path} has more than one column {duplicates[0]!r}: rename one of them.")
    if "" in names:
        raise UsageError(f"{path} has a column without a name: its number {names.index('') + 1}.")


def _check_encoding(name: str) -> None:
    try:
        io.TextIOWrapper(io.BytesIO(), name)  # refuses codecs that are not for text: rot13
    except LookupError:
        raise UsageError(f"There is no encoding {name!r}: try utf-8 or cp1252.") from None


def _read_separator_line(file: IO[bytes], encoding: TextEncoding) -> str:
    """The delimiter that the first line tells, as in `sep=;`; empty if it tells none."""
    first = next(read_lines(file, encoding), None)
    told = _SEPARATOR_LINE.fullmatch((first and first.text) or "")
    return told[2] if told else ""


def _read_header(
    file: IO[bytes], encoding: TextEncoding, path: Path, told: str
) -> tuple[str, Cells | Unreadable | None]:
    """The delimiter that is told, or makes most columns of the first line, and these columns."""
    found: dict[str, Cells | Unreadable | None] = {}
    for delimiter in told or ("\t" if path.suffix.lower() == ".tsv" else ",;\t|"):
        rows = iter(CsvRecordReader(file, encoding, delimiter))
        if told:
            next(rows, None)
        found[delimiter] = next(
            (row for row in rows if isinstance(row, Unreadable) or row.values), None
        )
    columns = {
        each: len(header.values) for each, header in found.items() if isinstance(header, Cells)
    }
    delimiter = max(found, key=lambda each: columns.get(each, 0))
    return delimiter, found[delimiter]


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
