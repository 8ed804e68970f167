"""Text splicing: sets cells in the bytes of one CSV record or JSON line.

Everything else stays as it is: quoting, spaces, digits, escapes, the order of names, line ends.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from altwright.backfill.sources.csv_file import CsvDialect, CsvSource
from altwright.backfill.sources.csv_records import Cells, CsvRecordReader, cell_spans
from altwright.backfill.sources.json_members import ObjectText, read_members

_LINE_END = re.compile(r"[\r\n]*\Z")


class Splicer(Protocol):
    """Sets cells in the records of one format."""

    def header(self, raw: bytes) -> bytes:
        """The header with the new columns."""

    def record(self, raw: bytes, cells: Mapping[str, str]) -> bytes:
        """A record in which these cells are set, by column; other new cells are empty."""


class CsvSplicer:
    """Sets cells of CSV records, and adds the cells of new columns at their ends."""

    def __init__(self, source: CsvSource, new_columns: Sequence[str]) -> None:
        self._dialect = source.dialect
        self._places = {name: index for index, name in enumerate(source.columns)}
        self._new_columns = new_columns

    def header(self, raw: bytes) -> bytes:
        text = self._dialect.encoding.decode(raw)
        return self._dialect.encoding.encode(self._append(text, self._new_columns))

    def record(self, raw: bytes, cells: Mapping[str, str]) -> bytes:
        encoding = self._dialect.encoding
        text = encoding.decode(raw)
        to_set = {self._places[name]: cell for name, cell in cells.items() if name in self._places}
        if to_set:
            spans = _spans_of(raw, self._dialect)
            for index in sorted(to_set, reverse=True):
                begin, end = spans[index]
                is_quoted = text[begin:end].startswith('"')
                cell = format_cell(to_set[index], self._dialect, quoted=is_quoted)
                text = text[:begin] + cell + text[end:]
        text = self._append(text, [cells.get(name, "") for name in self._new_columns])
        return encoding.encode(text)

    def _append(self, text: str, cells: Sequence[str]) -> str:
        if not cells:
            return text
        end = _LINE_END.search(text)
        body, line_end = (text[: end.start()], end.group()) if end else (text, "")
        quoted = self._dialect.quotes_all
        more = [format_cell(each, self._dialect, quoted=quoted) for each in cells]
        return self._dialect.delimiter.join([body, *more]) + line_end


def format_cell(text: str, dialect: CsvDialect, *, quoted: bool = False) -> str:
    """A cell as it stands in the file, in quotes where it must."""
    if quoted or any(char in text for char in (dialect.delimiter, '"', "\r", "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _spans_of(raw: bytes, dialect: CsvDialect) -> Sequence[tuple[int, int]]:
    encoding = replace(dialect.encoding, bom=b"")
    found = next(iter(CsvRecordReader(io.BytesIO(raw), encoding, dialect.delimiter)))
    return cell_spans(found, dialect.delimiter) if isinstance(found, Cells) else ()


class JsonlSplicer:
    """Sets members of JSON objects; a new member is added at the object's end."""

    def header(self, raw: bytes) -> bytes:
        return raw

    def record(self, raw: bytes, cells: Mapping[str, str]) -> bytes:
        if not cells:
            return raw
        text = raw.decode()
        found = read_members(text) or ObjectText((), 0)
        is_escaped = text.isascii() and "\\u" in text
        new = {name: json.dumps(cell, ensure_ascii=is_escaped) for name, cell in cells.items()}
        known = {member.name for member in found.members}
        added = [
            json.dumps(name, ensure_ascii=is_escaped) + _colon(found) + value
            for name, value in new.items()
            if name not in known
        ]
        if added:
            comma = _comma(found, text)
            first = comma if found.members else ""
            text = text[: found.end] + first + comma.join(added) + text[found.end :]
        for member in reversed(found.members):
            if member.name in new:
                text = text[: member.begin] + new[member.name] + text[member.end :]
        return text.encode()


def _colon(found: ObjectText) -> str:
    return found.members[0].colon if found.members else ": "


def _comma(found: ObjectText, text: str) -> str:
    """What stands between two members: a comma with or without spaces."""
    if len(found.members) < 2:
        return "," if _colon(found) == ":" else ", "
    first, second = found.members[:2]
    between = text[first.end : second.begin]
    return between[: between.index('"')]
