"""Reads the source from its beginning to its end into the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from altwright.backfill.column_mapping import needs_alt_text, row_from_record
from altwright.backfill.connectors import Connectors
from altwright.backfill.run_state import DecideOutcome
from altwright.backfill.sources.base import BrokenRecord, read_records
from altwright.backfill.types import Row

_BATCH = 500
"""Rows of one transaction of the journal."""
_SHOWN = 20
"""Broken places that are told one by one."""


@dataclass(slots=True)
class ScanResult:
    """What is in the source."""

    rows: int = 0
    described: int = 0
    """They have an alt text, or somebody decided that they have none."""
    blank: int = 0
    broken: int = 0
    told: list[str] = field(default_factory=list)
    """Of the first broken ones: which line, and why."""

    def add_broken(self, line: str) -> None:
        """Count it; tell it where it is one of the first."""
        self.broken += 1
        if len(self.told) < _SHOWN:
            self.told.append(line)


class ScanJournal(Protocol):
    """What of a journal is needed here."""

    def begin_pass(self) -> None:
        """The source is about to be read from its beginning."""

    def see(self, rows: Sequence[Row]) -> None:
        """Rows that are blank in the source."""

    def end_pass(self, judge: DecideOutcome) -> Iterator[tuple[str, int, int]]:
        """The source has been read: keys that are there twice, with both lines."""


def scan_source(
    places: Connectors,
    journal: ScanJournal,
    judge: DecideOutcome,
    tell: Callable[[ScanResult], None],
) -> ScanResult:
    """Bring the journal up to date with the source. Memory does not grow with either.

    Raises SourceBroke where the source ends in the middle.
    """
    found = ScanResult(rows=places.described, described=places.described)
    batch: list[Row] = []
    local = _Local(places.spec.base)
    journal.begin_pass()
    for each in read_records(places.source):
        if isinstance(each, BrokenRecord):
            found.rows += 1
            where = f"line {each.place}" if each.place else each.text
            found.add_broken(f"{where} {each.why}")
            continue
        found.rows += 1
        if not needs_alt_text(each.values, places.columns):
            found.described += 1
            continue
        found.blank += 1
        batch.append(
            local.with_content(
                row_from_record(
                    each.values, places.columns, place=each.place, base=places.spec.base
                )
            )
        )
        if len(batch) == _BATCH:
            journal.see(batch)
            batch.clear()
            tell(found)
    journal.see(batch)
    for key, first, later in journal.end_pass(judge):
        found.blank -= 1
        found.add_broken(f"line {later} has the key {key!r} of line {first}, and another picture")
    return found


class _Local:
    """Local pictures: two files with the same bytes are one picture."""

    def __init__(self, base: str) -> None:
        self._is_local = bool(base) and "://" not in base[:12]

    def with_content(self, row: Row) -> Row:
        if not self._is_local or "://" in row.image[:12] or row.image[:5].lower() == "data:":
            return row
        return replace(row, content=_digest(row.image))


def _digest(image: str) -> str:
    try:
        if not Path(image).is_file():  # a pipe that is named like a picture would never end
            return f"unreadable:{image}"
        with Path(image).open("rb") as file:
            digest = hashlib.sha256()
            while piece := file.read(1024 * 1024):
                digest.update(piece)
            return f"sha256:{digest.hexdigest()}"
    except OSError:
        return f"unreadable:{image}"  # told when it is its turn
