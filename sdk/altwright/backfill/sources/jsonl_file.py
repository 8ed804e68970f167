"""JSON lines source: one JSON object per line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path

from altwright.backfill.sources.base import BrokenRecord, Piece, Record
from altwright.backfill.sources.json_members import read_members
from altwright.errors import UsageError


class JsonlSource:
    """A file of JSON lines in UTF-8."""

    primary_key = None

    def __init__(self, path: Path) -> None:
        """Read the whole file once: objects need not all have the same names.

        Raises UsageError.
        """
        self.path = path
        self.notes: list[str] = []
        names: dict[str, None] = {}
        try:
            for record in self.read():
                if isinstance(record, Record):
                    names.update(dict.fromkeys(record.values))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        self.columns: Sequence[str] = list(names)
        if not self.columns:
            raise UsageError(f"{path} does not begin with JSON objects, one per line.")

    @property
    def display_name(self) -> str:
        """Its path."""
        return str(self.path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every object; a BrokenRecord in place of each line that is not one."""
        return (piece.record for piece in self.read_pieces() if piece.record is not None)

    def read_pieces(self) -> Iterator[Piece]:
        """Every byte of the file."""
        with self.path.open("rb") as file:
            if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
                yield Piece(codecs.BOM_UTF8)
            else:
                file.seek(0)
            for number, line in enumerate(file, 1):
                yield Piece(line, _read_line(number, line) if line.strip() else None)


def _read_line(number: int, line: bytes) -> Record | BrokenRecord:
    problem = "is not a JSON object"
    try:
        found = read_members(line.decode())
        if found is not None:
            values = found.values
            if b"\\ud" not in line.lower() or not _has_half_characters(values):
                return Record(number, values)
            problem = "has half a character (a lone surrogate)"
    except (ValueError, RecursionError) as error:
        problem = f"is not valid JSON ({error})"
    return BrokenRecord(number, problem, line.decode("utf-8", "replace").rstrip("\r\n"))


def _has_half_characters(value: object) -> bool:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(_has_half_characters(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(_has_half_characters(each) for each in value)
