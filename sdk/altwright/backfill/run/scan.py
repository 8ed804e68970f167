"""Scan: reads the source from beginning to end into the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from altwright.backfill.column_mapping import (
    has_key,
    hash_cells,
    is_undescribed,
    names_image,
    row_from_record,
)
from altwright.backfill.connectors import Connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.journal.keyless_rows import KeylessRow
from altwright.backfill.run_state import DecideOutcome
from altwright.backfill.sources.base import BrokenRecord, read_records
from altwright.backfill.types import Row

_BATCH_ROWS = 500
"""Rows of one transaction of the journal."""
_MAX_BROKEN_LINES = 20
"""Broken records that are reported one by one."""
_NO_KEY = (
    "{!r} was taken for a key by its name, and is none: with --column key= rows are known by their "
    "picture, and all of them are filled"
)


@dataclass(slots=True)
class ScanResult:
    """Counts of the source's records."""

    rows: int = 0
    described: int = 0
    """They have an alt text, or `alt_source` says that they need none."""
    blank: int = 0
    without_image: int = 0
    """They have no alt text, and name no image that could be described."""
    repeated: int = 0
    """Lines of a file with the key, image and context of an earlier line: they get its text."""
    broken: int = 0
    broken_lines: list[str] = field(default_factory=list)
    """Line and problem of the first broken records."""
    advice: str = ""
    """What the user may do about broken records."""

    def count(self, *, is_undescribed: bool, names_image: bool) -> bool:
        """Count a readable record; returns whether it needs a text."""
        self.described += not is_undescribed
        self.without_image += is_undescribed and not names_image
        self.blank += is_undescribed and names_image
        return is_undescribed and names_image

    def add_shared_key(self, key: str, line: int, later_line: int, connectors: Connectors) -> None:
        """Count a record that has the key of an earlier one."""
        self.blank -= 1
        self.add_broken(
            f"line {later_line} has the key {key!r} of line {line}, and another picture or context"
        )
        if connectors.scanned_file is not None and "key" not in connectors.columns.named:
            self.advice = _NO_KEY.format(connectors.columns.key)

    def add_long_key(self, key: str, max_chars: int) -> None:
        """Count a record whose key the journal cannot hold."""
        self.blank -= 1
        self.add_broken(
            f"the row {key[:40]}... has a key of {len(key)} characters; a queue takes {max_chars}"
        )

    def add_broken(self, line: str) -> None:
        """Count a broken record; keep its line if it is one of the first."""
        self.broken += 1
        if len(self.broken_lines) < _MAX_BROKEN_LINES:
            self.broken_lines.append(line)


class ScanJournal(Protocol):
    """The part of a journal that is needed for a scan."""

    max_key_chars: int | None
    """The longest key that it takes; None: any."""

    def begin_scan(self) -> None:
        """Begin to read the source from its beginning."""

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add rows that are blank in the source."""

    def end_scan(self, decide: DecideOutcome | None) -> Iterator[tuple[str, int, int]]:
        """End the scan. Yields keys that two rows share, with both lines."""


def scan_source(
    connectors: Connectors,
    journal: ScanJournal,
    decide: DecideOutcome | None,
    on_progress: Callable[[ScanResult], None],
) -> ScanResult:
    """Bring the journal up to date with the source. Memory use does not grow with either.

    Without `decide` new rows wait, also where their result is known.
    Raises SourceError if the source cannot be read to its end.
    """
    without_image = getattr(connectors.source, "without_image", 0)
    result = ScanResult(
        rows=connectors.described + without_image,
        described=connectors.described,
        without_image=without_image,
    )
    batch: list[Row] = []
    keyless: list[KeylessRow] = []
    file = connectors.scanned_file
    not_cells = {connectors.columns.alt, connectors.columns.alt_source}
    if file is not None:
        not_cells.update(file.set_columns)
    image_base = connectors.config.image_base
    if isinstance(journal, Journal):
        journal.begin_scan(reads_target=connectors.table is not None)
    else:
        journal.begin_scan()
    for record in read_records(connectors.source):
        result.rows += 1
        if isinstance(record, BrokenRecord):
            where = f"line {record.line_number}" if record.line_number else record.text
            result.add_broken(f"{where} {record.problem}")
            continue
        is_keyless = file is not None and not has_key(record.values, connectors.columns)
        is_needed = result.count(
            is_undescribed=is_undescribed(record.values, connectors.columns),
            names_image=names_image(record.values, connectors.columns),
        )
        if not is_needed and not is_keyless:
            continue
        row = row_from_record(
            record.values,
            connectors.columns,
            line_number=record.line_number,
            image_base=image_base,
        )
        if journal.max_key_chars is not None and len(row.key) > journal.max_key_chars:
            result.add_long_key(row.key, journal.max_key_chars)
            continue
        row = _with_content_hash(row, image_base)
        if is_keyless:
            cells = hash_cells(record.values, not_cells)
            keyless.append(KeylessRow(row, cells, is_blank=is_needed))
        else:
            batch.append(row)
        if len(batch) + len(keyless) == _BATCH_ROWS:
            _add(journal, batch, keyless)
            on_progress(result)
    _add(journal, batch, keyless)
    if file is not None and isinstance(journal, Journal):
        file.note_scan(journal)
    _end_scan(connectors, journal, decide, result)
    return result


def _end_scan(
    connectors: Connectors,
    journal: ScanJournal,
    decide: DecideOutcome | None,
    result: ScanResult,
) -> None:
    """End the scan, and count lines with the key of an earlier line."""
    for key, line, later_line in journal.end_scan(decide):
        result.add_shared_key(key, line, later_line, connectors)
    if isinstance(journal, Journal):
        result.repeated = journal.counts.repeats()
        result.blank -= result.repeated


def _add(journal: ScanJournal, batch: list[Row], keyless: list[KeylessRow]) -> None:
    journal.add_rows(batch)
    batch.clear()
    if isinstance(journal, Journal):  # a queue's rows are those of a table, with keys
        journal.add_keyless_rows(keyless)
        keyless.clear()


def _with_content_hash(row: Row, image_base: str) -> Row:
    """With the hash of a local file, so that equal files are one request."""
    has_local_images = bool(image_base) and "://" not in image_base[:12]
    if not has_local_images or "://" in row.image[:12] or row.image[:5].lower() == "data:":
        return row
    return replace(row, content_hash=_hash_file(row.image))


def _hash_file(path: str) -> str:
    try:
        if not Path(path).is_file():  # reading a pipe with an image's name would not end
            return f"unreadable:{path}"
        with Path(path).open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
            return f"sha256:{digest.hexdigest()}"
    except OSError:
        return f"unreadable:{path}"  # its request fails and says why
