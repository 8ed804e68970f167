"""JSON lines: one object a line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.errors import UsageError

_LOOK_AHEAD = 100
"""Objects need not all have the same keys; those of so many are taken for the columns."""


class JsonlSource:
    """A file of JSON lines, in UTF-8."""

    primary_key = None

    def __init__(self, path: Path) -> None:
        """Reads its beginning. Raises UsageError with one sentence."""
        self._path = path
        self.notes: list[str] = []
        try:
            first = list(itertools.islice(self.read(), _LOOK_AHEAD))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
        names = (name for each in first if isinstance(each, Record) for name in each.values)
        self.columns: Sequence[str] = list(dict.fromkeys(names))
        if not self.columns:
            raise UsageError(f"{path} does not begin with JSON objects, one a line.")

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self._path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every object; what is none stands in its place."""
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                except (ValueError, RecursionError) as error:
                    why = f"is not valid JSON ({error})"
                else:
                    why = _wrong_with(value, line)
                    if not why:
                        yield Record(number, value)
                        continue
                yield BrokenRecord(number, why, line.decode("utf-8", "replace").rstrip("\r\n"))


def _wrong_with(value: object, line: bytes) -> str:
    if not isinstance(value, dict):
        return "is not a JSON object"
    if b"\\ud" in line.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "has half a character (a lone surrogate)"
    return ""
