"""File target: a new file with every record of the source and the audit fields, in its format.

It is written under a temporary name, read back, and renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from altwright.backfill.audit_fields import audit_field_names, note_on_shared_columns
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import (
    ColumnMapping,
)
from altwright.backfill.errors import SourceChanged, SourceError, TargetChanged
from altwright.backfill.journal.journal import Journal
from altwright.backfill.journal.lock import files_of_journal, lock_on_this_machine
from altwright.backfill.sources.base import Source
from altwright.backfill.sources.csv_file import CsvSource
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource
from altwright.backfill.targets.file_cells import FileCells
from altwright.backfill.targets.file_content import FILE_FORMATS, FileContent
from altwright.backfill.targets.file_source import (
    ADDED_COLUMNS,
    codec_of,
    columns_added_before,
)
from altwright.backfill.targets.parquet_rewriter import (
    check_text_columns,
)
from altwright.errors import UsageError
from altwright.output_file import ChangedMeanwhile, OutputFile, hash_file

_SOURCE, _BROKEN = "source", "broken"
"""Notes of the journal: fingerprints of the scanned source, and of the file of broken records."""
_GONE = "its row in the source has another text or image now"


class FileTarget:
    """One file, written completely from the source and the journal at the end of each run."""

    def __init__(
        self,
        path: Path,
        source: Source,
        columns: ColumnMapping,
        options: CaptionOptions,
        image_base: str,
        source_fingerprint: str = "",
    ) -> None:
        """`source_fingerprint` is the hash of a source file, taken before it was opened.

        Raises UsageError if the suffix names no format, or not the format of the source, or if a
        column cannot hold texts.
        """
        self._path = path
        self._source = source
        self._options = options
        self._source_fingerprint = source_fingerprint
        self.display_name = str(path)
        self._output = OutputFile(path)
        self._broken = OutputFile(path.with_name(f"{path.name}.broken"))
        self._format = FILE_FORMATS.get(path.suffix.lower(), "")
        self._check_path()
        columns.check_target_columns(audit_field_names(options))
        self._cells = FileCells(
            columns,
            options,
            source.columns,
            added_before=columns_added_before(source),
            is_file=isinstance(source, (CsvSource, JsonlSource, ParquetSource)),
            encoding=self.encoding,
        )
        self._content = FileContent(path, source, columns, image_base, self._cells)
        if isinstance(source, ParquetSource):
            check_text_columns(source, self._cells.set_columns)

    def text_fields(self) -> Mapping[tuple[str, str], str]:
        """Style and locale of each text of the run, and its audit field."""
        return self._options.text_fields()

    @property
    def encoding(self) -> str:
        """The codec of the new file; it may lack characters."""
        return codec_of(self._source)

    @property
    def kept_texts(self) -> dict[str, list[str]]:
        """Of the last write: fields of decided rows that have a text of somebody else, by key."""
        return self._content.kept_texts

    @property
    def set_columns(self) -> list[str]:
        """Columns that it may set."""
        return self._cells.set_columns

    @property
    def notes(self) -> list[str]:
        """What the user should know about columns."""
        notes = [
            f"the column {name!r} of {self._source.display_name} is not this tool's: it stays as "
            "it is, and the journal has what would stand there"
            for name in self._cells.foreign_columns
        ]
        if shared := self._cells.shared_columns:
            notes.append(note_on_shared_columns(self._source.display_name, shared))
        return notes

    def check_journal(self, path: Path) -> None:
        """Raise UsageError if a new journal would be one of the files that this command writes, or
        would stay behind because the target exists."""
        files = [self._path, self._broken.path]
        files += [each for file in (self._output, self._broken)
                  for each in (file.partial, file.displaced)]  # fmt: skip
        taken = {Path(os.path.realpath(each)) for each in files}
        if not taken.isdisjoint(Path(os.path.realpath(each)) for each in files_of_journal(path)):
            raise UsageError(
                f"{path} cannot be the journal: {self._path}, or a file beside it, has this name."
            )
        if self._path.exists() and not path.exists():
            raise UsageError(f"{self._path} already exists: name a new file, or move it away.")

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the file against another run, with a journal of its own, on this machine.

        Raises UsageError if one has it.
        """
        place = self._output.place
        folder = place.parent.stat()
        names = ["file", folder.st_dev, folder.st_ino, place.name]
        lock = lock_on_this_machine(names, str(self._path))
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def check_unchanged(self, journal: Journal) -> None:
        """Raise UsageError if it cannot be written, or is not as this run last wrote it.

        Raises TargetChanged where a killed command left what somebody saved meanwhile.
        """
        self._output.check_writable()
        self._check_displaced(journal)
        if not self._path.exists():
            self._check_broken_file(journal)
            return
        if not journal.target_fingerprints:
            raise UsageError(f"{self._path} already exists: name a new file, or move it away.")
        if not self._is_as_written(journal, self._path):
            raise UsageError(
                f"{self._path} was changed since it was written: move it away, so that nothing in "
                "it is lost."
            )
        self._check_broken_file(journal)

    def note_scan(self, journal: Journal) -> None:
        """Store which content of the source the journal knows. Raises SourceChanged."""
        if self._source_fingerprint:
            self._check_source(self._source_fingerprint)
            journal.set_note(_SOURCE, self._source_fingerprint)

    def write(self, journal: Journal, decided_keys: Collection[str] = ()) -> dict[str, str]:
        """Write the file. `decided_keys` are rows whose decision should be in it.

        Returns why some of them are left out, by key: their row is gone from the source, or shows
        something else now. Broken records stay where they are, and are copied into a file beside
        it. Raises OSError, SourceError and TargetChanged, and leaves an existing file as it is.
        """
        if self._source_fingerprint:
            self._check_source(journal.read_note(_SOURCE))
        left_out = dict.fromkeys(decided_keys, _GONE)
        with ExitStack() as stack:
            output, broken = stack.enter_context(self._output), stack.enter_context(self._broken)
            with broken.partial.open(
                "x", encoding="utf-8", errors="surrogateescape", newline=""
            ) as broken_file:
                self._content.write(output.partial, journal, broken_file, left_out)
            if self._source_fingerprint:
                self._check_source(self._source_fingerprint)
            self._check_broken_file(journal)
            self._put_in_place(journal, output)
            self._put_broken_in_place(journal, broken)
        journal.mark_all_written()
        return left_out

    # Files and their fingerprints

    def _check_path(self) -> None:
        path, source = self._path, self._source
        if not self._format:
            raise UsageError(f"{path}: a target is .csv, .jsonl or .parquet.")
        formats = {CsvSource: "csv", JsonlSource: "jsonl", ParquetSource: "parquet"}
        source_format = formats.get(type(source))
        if source_format is not None and source_format != self._format:
            raise UsageError(f"{path}: a target has the format of its source, {source_format}.")
        if not self._output.place.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {self._output.place.parent}.")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file: name a new file.")
        source_path = Path(source.display_name)
        if path.exists() and source_path.exists() and path.samefile(source_path):
            raise UsageError(f"{path} is the source itself: name a new file.")

    def _check_broken_file(self, journal: Journal) -> None:
        path = self._broken.path
        known = journal.read_note(_BROKEN).split()
        # Of journals of older versions nothing is known about this file.
        is_new_journal = not journal.target_fingerprints
        if path.exists() and (known or is_new_journal) and hash_file(path) not in known:
            raise TargetChanged(f"{path} already exists and is not this run's: move it away.")

    def _check_source(self, expected: str) -> None:
        path = Path(self._source.display_name)
        try:
            found = hash_file(path)
        except OSError as error:
            raise SourceError(
                f"{path} cannot be read: {error.strerror}", is_temporary=False
            ) from error
        if found != expected:
            raise SourceChanged(f"{path} was changed since it was read")

    def _is_as_written(self, journal: Journal, path: Path) -> bool:
        known = journal.target_fingerprints
        status = path.stat()
        # Older versions stored size and time.
        return hash_file(path) in known or f"{status.st_size}:{status.st_mtime_ns}" in known

    def _check_displaced(self, journal: Journal) -> None:
        """Remove what a killed command took out of its place, if it is this run's."""
        displaced = self._output.displaced
        if not displaced.exists():
            return
        if not self._is_as_written(journal, displaced):
            raise TargetChanged(
                f"{displaced} is what somebody saved as {self._path.name} while a command that was "
                "killed replaced it. Compare the two, move it away and run the same command again. "
                "Nothing is asked twice."
            )
        displaced.unlink()

    def _put_in_place(self, journal: Journal, output: OutputFile) -> None:
        self._check_displaced(journal)
        changed = TargetChanged(
            f"{self._path} was changed while this command worked, and stays as it is: move it "
            "away and run the same command again. Nothing is asked twice."
        )
        if self._path.exists() and not self._is_as_written(journal, self._path):
            raise changed
        # The journal gets the new fingerprint before the rename: if the process is killed in
        # between, or the disk is full, the file is still recognised as this run's.
        new, old = hash_file(output.partial), journal.target_fingerprints
        journal.set_target_fingerprints(*dict.fromkeys([new, *old]))
        journal.set_note(ADDED_COLUMNS, json.dumps(self._added_columns()))
        source = self._source
        like = Path(source.display_name) if self._source_fingerprint else None
        try:
            output.replace(like, lambda path: self._is_as_written(journal, path))
        except ChangedMeanwhile:
            raise changed from None
        journal.set_target_fingerprints(new)

    def _added_columns(self) -> list[str]:
        added = self._cells.added_before
        return [name for name in self._cells.set_columns
                if name in added or name not in self._source.columns]  # fmt: skip

    def _put_broken_in_place(self, journal: Journal, broken: OutputFile) -> None:
        known = journal.read_note(_BROKEN)
        if broken.partial.stat().st_size:
            new = hash_file(broken.partial)
            journal.set_note(_BROKEN, f"{new} {known}")  # also if it is killed before the rename
            broken.replace()
            journal.set_note(_BROKEN, new)
        elif broken.path.exists() and hash_file(broken.path) in known.split():
            broken.path.unlink()  # of an earlier run; nothing is broken any more
