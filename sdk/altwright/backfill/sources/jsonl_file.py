"""JSON lines source: one JSON object per line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.errors import UsageError

_OBJECTS_FOR_COLUMNS = 100
"""The keys of the first 100 objects are the columns; objects need not all have the same keys."""


class JsonlSource:
    """A file of JSON lines in UTF-8."""

    primary_key = None

    def __init__(self, path: Path) -> None:
        """Read the first objects. Raises UsageError."""
        self._path = path
        self.notes: list[str] = []
        try:
            first = list(itertools.islice(self.read(), _OBJECTS_FOR_COLUMNS))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        names = (name for each in first if isinstance(each, Record) for name in each.values)
        self.columns: Sequence[str] = list(dict.fromkeys(names))
        if not self.columns:
            raise UsageError(f"{path} does not begin with JSON objects, one per line.")

    @property
    def display_name(self) -> str:
        """Its path."""
        return str(self._path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every object; a BrokenRecord in place of each line that is not one."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except (ValueError, RecursionError) as error:
                    problem = f"is not valid JSON ({error})"
                else:
                    problem = _problem_with(value, line)
                    if not problem:
                        yield Record(number, value)
                        continue
                yield BrokenRecord(number, problem, line.decode("utf-8", "replace").rstrip("\r\n"))


def _problem_with(value: object, line: bytes) -> str:
    if not isinstance(value, dict):
        return "is not a JSON object"
    if b"\\ud" in line.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "has half a character (a lone surrogate)"
    return ""
