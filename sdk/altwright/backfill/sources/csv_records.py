"""CSV records: where each record and each cell of a CSV file begins and ends.

Own code and not Python's reader, because a target must know where the cells are to leave every
other byte as it is. The rules are those of `csv.reader(strict=True)`: a quote begins a quoted cell
only at the cell's start, and a closing quote is followed by a delimiter or the end of the line.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

_CHUNK_BYTES = 1024 * 1024
_MAX_RECORD_CHARS = 64 * 1024 * 1024
"""A longer record of several lines is taken for a quote that is never closed."""
_REST_OF_QUOTED = re.compile(r'[^"]*+(?:""[^"]*+)*+"')
"""From inside a quoted cell to behind its closing quote. Possessive: it never backtracks."""
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\n|\r)|[^\r\n]++")
_BYTE_ORDER_MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
_UNIT_BYTES = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
"""Encodings whose line ends are longer than a byte."""


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """A codec without a byte order mark, and the mark that the file begins with."""

    codec: str
    bom: bytes = b""

    def decode(self, raw: bytes) -> str:
        """As text; bytes that are not in the encoding become lone surrogates."""
        return raw.decode(self.codec, self._errors)

    def encode(self, text: str) -> bytes:
        """The bytes of a text that `decode` made, or that `can_encode`."""
        return text.encode(self.codec, self._errors)

    def can_encode(self, text: str) -> bool:
        """Whether the encoding has every character of a text."""
        try:
            text.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return True

    @property
    def _errors(self) -> str:
        return "surrogatepass" if self.codec in _UNIT_BYTES else "surrogateescape"


def find_byte_order_mark(start: bytes) -> str | None:
    """The encoding whose byte order mark a file begins with."""
    # UTF-32-LE first: its mark begins with that of UTF-16-LE.
    return next(
        (name for name in _BYTE_ORDER_MARKS if start.startswith(_BYTE_ORDER_MARKS[name])), None
    )


def with_byte_order_mark(name: str, start: bytes) -> TextEncoding:
    """The encoding of a file with this beginning. Raises UnicodeError without a needed mark."""
    name = codecs.lookup(name).name
    if name == "utf-8-sig":
        name = "utf-8"
    candidates = [f"{name}-le", f"{name}-be"] if name in ("utf-16", "utf-32") else [name]
    for codec in candidates:
        mark = _BYTE_ORDER_MARKS.get(codec)
        if mark is not None and start.startswith(mark):
            return TextEncoding(codec, mark)
    if len(candidates) > 1:
        raise UnicodeError(f"it does not begin with a byte order mark of {name}")
    return TextEncoding(name)


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its end. What cannot be decoded at all is a line without text."""

    raw: bytes
    text: str | None


def read_lines(file: IO[bytes], encoding: TextEncoding) -> Iterator[Line]:
    r"""Lines that end with \n, \r\n or \r. The byte order mark is not part of the first one."""
    file.seek(len(encoding.bom))
    unit = _UNIT_BYTES.get(encoding.codec)
    if unit is not None:
        yield from _read_wide_lines(file, encoding, unit)
        return
    rest = b""
    while chunk := file.read(max(_CHUNK_BYTES, len(rest))):
        *whole, rest = (rest + chunk).splitlines(keepends=True)  # the last one may go on
        for raw in whole:
            yield _decoded(raw, encoding)
    for raw in rest.splitlines(keepends=True):
        yield _decoded(raw, encoding)


def _decoded(raw: bytes, encoding: TextEncoding) -> Line:
    try:
        return Line(raw, encoding.decode(raw))
    except UnicodeError:
        return Line(raw, None)


def _read_wide_lines(file: IO[bytes], encoding: TextEncoding, unit: int) -> Iterator[Line]:
    rest = b""
    while True:
        chunk = file.read(max(_CHUNK_BYTES, len(rest)))
        data = rest + chunk
        whole_units = len(data) - len(data) % unit
        try:
            lines = _LINE.findall(encoding.decode(data[:whole_units]))
        except UnicodeError:  # no such characters: nothing behind them can be trusted
            yield Line(data + file.read(), None)
            return
        unfinished = lines.pop() if chunk and lines else ""
        for text in lines:
            yield Line(encoding.encode(text), text)
        rest = encoding.encode(unfinished) + data[whole_units:]
        if not chunk:
            break
    if rest:
        yield Line(rest, None)


@dataclass(frozen=True, slots=True)
class Cells:
    """One record: its cells, and where each stands in its text."""

    line_number: int
    raw: bytes
    text: str
    values: list[str]
    spans: Sequence[tuple[int, int]] = ()
    """Begin and end of each cell with its quotes; empty where no cell is quoted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The first line of something that is no record. What follows is read as if it began there."""

    line_number: int
    line: Line
    problem: str


class CsvRecordReader:
    """The records of a file. After an unreadable one it goes on with the next line.

    So a quote that is never closed costs one line and not the rest of the file. An empty line is a
    record without cells.
    """

    def __init__(
        self, file: IO[bytes], encoding: TextEncoding, delimiter: str, cell_count: int | None = None
    ) -> None:
        self._lines = read_lines(file, encoding)
        self._delimiter = delimiter
        self._unquoted = re.compile(rf"[^{re.escape(delimiter)}\r\n]*+")
        # Some programs align their columns with spaces, also behind a quote.
        self._padding = re.compile("[ \t]*+" if delimiter != "\t" else " *+")
        self._cell_count = cell_count
        self._repeated: deque[Line] = deque()
        self._taken: list[Line] = []
        """The lines of the record that is being read."""
        self._line_number = 0

    def __iter__(self) -> Iterator[Cells | Unreadable]:
        while True:
            self._taken = []
            first_number = self._line_number + 1
            line = self._take_line()
            if line is None:
                return
            found = self._read_record(line, first_number)
            if isinstance(found, Cells):
                yield found
                continue
            first, *rest = self._taken
            self._repeated.extendleft(reversed(rest))
            self._line_number = first_number
            yield Unreadable(first_number, first, found)

    def _read_record(self, line: Line, number: int) -> Cells | str:
        """The record that begins with a line, or what is wrong with it."""
        if line.text is None:
            return "cannot be decoded, nor what follows on its line"
        if '"' in line.text:
            spans = self._find_quoted_spans(line.text)
            if isinstance(spans, str):
                return f"is not valid CSV ({spans})"
            text = "".join(each.text or "" for each in self._taken)
            values = [_unquote(text[begin:end]) for begin, end in spans]
        else:
            text, spans = line.text, []
            body = text.rstrip("\r\n")
            values = body.split(self._delimiter) if body else []
        if self._cell_count not in (None, len(values)) and values:
            return f"has {len(values)} cells instead of {self._cell_count}"
        if not text.isascii() and _has_surrogates(text):
            return "has bytes that are not in the file's encoding"
        return Cells(number, b"".join(each.raw for each in self._taken), text, values, spans)

    def _find_quoted_spans(self, text: str) -> list[tuple[int, int]] | str:
        """The places of the cells where some are quoted, perhaps over several lines."""
        spans: list[tuple[int, int]] = []
        offset = begin = 0
        while True:
            start = offset + begin
            if text.startswith('"', begin):
                match = _REST_OF_QUOTED.match(text, begin + 1)
                while match is None:
                    offset += len(text)
                    line = self._take_line() if offset < _MAX_RECORD_CHARS else None
                    if line is None or line.text is None:
                        return "a quote is never closed"
                    text = line.text
                    match = _REST_OF_QUOTED.match(text)
                end = _end_of(self._padding, text, match.end())
            else:
                end = _end_of(self._unquoted, text, begin)
            spans.append((start, offset + end))
            if text[end : end + 1] == self._delimiter:
                begin = end + 1
            elif text[end:] in ("", "\n", "\r\n", "\r"):
                return spans
            else:
                return "a character stands behind a closing quote"

    def _take_line(self) -> Line | None:
        line = self._repeated.popleft() if self._repeated else next(self._lines, None)
        if line is not None:
            self._line_number += 1
            self._taken.append(line)
        return line


def cell_spans(cells: Cells, delimiter: str) -> Sequence[tuple[int, int]]:
    """Where each cell stands in the record's text."""
    if cells.spans:
        return cells.spans
    spans, begin = [], 0
    for value in cells.values:
        spans.append((begin, begin + len(value)))
        begin += len(value) + len(delimiter)
    return spans


def _end_of(pattern: re.Pattern[str], text: str, begin: int) -> int:
    match = pattern.match(text, begin)
    return begin if match is None else match.end()


def _unquote(cell: str) -> str:
    """The value of a cell; spaces behind its quotes belong to it, as in `csv.reader`."""
    if cell[:1] != '"':
        return cell
    end = cell.rindex('"')
    return cell[1:end].replace('""', '"') + cell[end + 1 :]


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
