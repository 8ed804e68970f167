"""The journal: an SQLite file that stores a run's rows, results, and what has been written.

A row goes pending -> recorded -> written. Each step is one transaction, so a killed run resumes
from one side of it. A result is on the disk before its text is written anywhere (write-ahead log,
synchronous=FULL: a commit survives a power cut, and takes milliseconds where a request takes
seconds).

One process writes (`Journal.open` takes a lock), any number may read (`Journal.read`). A journal is
not for several threads at once.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from altwright.backfill.errors import JournalUnwritable
from altwright.backfill.journal import serialization, sql
from altwright.backfill.journal.counts import JournalCounts
from altwright.backfill.journal.keyless_rows import KeylessRow, KeylessRows
from altwright.backfill.journal.lock import JournalLock, refuse_other_database
from altwright.backfill.journal.scanned_rows import ScannedRows
from altwright.backfill.journal.schema import (
    add_scan_schema,
    create_schema,
    needs_schema,
    store_columns,
)
from altwright.backfill.run_state import (
    DecideOutcome,
    PendingRequest,
    RunCounts,
    RunIdentity,
    describe_difference,
    with_columns_of,
    without_columns,
)
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row
from altwright.errors import UsageError

_PAGE_ROWS = 256
"""Rows in memory at once."""
_BUSY_TIMEOUT_S = 10.0
"""A reader holds the file for milliseconds during a checkpoint; longer is a program that hangs."""


class Journal:
    """The journal of one run. Use `open` to write, `read` to read only."""

    max_key_chars: int | None = None

    def __init__(self, path: Path, lock: JournalLock | None) -> None:
        self.path = path
        self._lock = lock
        address = f"{path.resolve().as_uri()}?mode={'ro' if lock is None else 'rwc'}"
        self._db = sqlite3.connect(
            address, uri=True, isolation_level=None, check_same_thread=False,
            timeout=_BUSY_TIMEOUT_S,
        )  # fmt: skip
        self._scan_number = 0
        self._given_identity: RunIdentity | None = None
        self._rows = ScannedRows(self._db)
        self._keyless = KeylessRows(self._db)

    @classmethod
    def open(cls, path: Path, identity: RunIdentity | None = None) -> Journal:
        """Open it for writing; with an `identity`, create it if it is missing.

        Raises UsageError.
        """
        _check_path(path, must_exist=identity is None)
        refuse_other_database(path)
        try:
            lock = JournalLock(path)
        except (OSError, sqlite3.Error) as error:
            raise JournalUnwritable(path, error) from None
        try:
            journal = cls(path, lock)
            journal._prepare(identity)
        except sqlite3.OperationalError as error:
            lock.release()
            raise JournalUnwritable(path, error) from None
        except sqlite3.DatabaseError as error:
            lock.release()
            raise UsageError(f"{path} cannot be used as a journal: {error}.") from None
        except UsageError:
            lock.release()
            raise
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Open it for reading, also while a run writes. Raises UsageError."""
        _check_path(path, must_exist=True)
        try:
            journal = cls(path, None)
            if needs_schema(journal._db, path):
                raise UsageError(f"{path} is not a journal of a backfill.")
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{path} cannot be read as a journal: {error}.") from None
        return journal

    def close(self) -> None:
        """Close it and release the lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def identity(self) -> RunIdentity:
        """The run that the journal belongs to."""
        [text] = self._db.execute("SELECT facts FROM run").fetchone()
        return RunIdentity(**json.loads(text))

    # Fingerprints of the target file

    @property
    def target_fingerprints(self) -> list[str]:
        """Fingerprints that the target file may have, newest first; empty before it is written."""
        [stored] = self._db.execute("SELECT target_stamp FROM run").fetchone()
        return str(stored).split()

    def set_target_fingerprints(self, *fingerprints: str) -> None:
        """Store the target file's fingerprints, to detect later whether someone changed it."""
        self._db.execute("UPDATE run SET target_stamp = ?", (" ".join(fingerprints),))

    # Facts about files

    def read_note(self, name: str) -> str:
        """A stored fact, as the fingerprint of the source; empty if there is none."""
        try:
            found = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        except sqlite3.OperationalError:  # a journal of an older version, opened to be read
            return ""
        return "" if found is None else str(found[0])

    def set_note(self, name: str, value: str) -> None:
        """Store a fact in place of an earlier one."""
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    # Scan of the source

    def begin_scan(self, *, reads_target: bool = True) -> None:
        """Begin to read the source from its beginning.

        `reads_target`: the source is the target, so that a row that is blank there lacks its text.
        """
        self._rows.reads_target = reads_target
        with self._transaction():
            self._db.execute("UPDATE run SET pass = pass + 1")
            if (given := self._given_identity) is not None:
                store_columns(self._db, with_columns_of(self.identity, given))
            [self._scan_number] = self._db.execute("SELECT pass FROM run").fetchone()
            self._keyless.clear()
            self._db.execute("DELETE FROM repeats")

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add rows that are blank in the source, in one transaction.

        A known row with the same image and context keeps its outcome, which will be written again
        because the row is blank. A known row with another image or context becomes pending, unless
        a person decided about it: see `decided_rows`.
        """
        with self._transaction():
            self._rows.add(rows, self._scan_number)

    def add_keyless_rows(self, rows: Sequence[KeylessRow]) -> None:
        """Add rows of a file without a key, described ones too. They are known by their picture."""
        with self._transaction():
            self._keyless.stage(rows)

    def end_scan(self, decide: DecideOutcome | None) -> Iterator[tuple[str, int, int]]:
        """End the scan: the source has been read completely.

        Waiting rows that the scan has not seen are deleted: they are gone, or a person filled them.
        New rows with the request of an existing result get an outcome from it, if `decide` is
        given. Yields (key, line, later line) for rows with the key of another row and a different
        image or context; they are left out.
        """
        with self._transaction():
            self._keyless.match(self._scan_number)
            for page in self._keyless.read_pages():
                self._rows.add([each.row for each in page], self._scan_number)
                self._keyless.settle(page)
                self._rows.hold_decisions([each.row.key for each in page if each.is_guess])
            self._rows.name_rows(self._scan_number)
            if not self._rows.reads_target:
                self._rows.follow_numbers(self._scan_number)
            self._rows.follow_moved_files(self._scan_number)
            self._db.execute(sql.DELETE_UNSEEN_ROWS, (self._scan_number,))
        while decide is not None and self._decide_from_existing_results(decide):
            pass
        yield from self._db.execute(sql.SELECT_KEY_CONFLICTS)

    def find_conflicts(self, places: Sequence[int]) -> dict[int, int]:
        """Those of the lines that `end_scan` left out, with the line that has their key."""
        found = self._db.execute(sql.SELECT_CONFLICTS_BY_PLACE, (json.dumps(list(places)),))
        return dict(found.fetchall())

    def drop_rows(self, keys: Iterable[str]) -> None:
        """Delete waiting rows that a person filled before they were requested."""
        with self._transaction():
            self._db.executemany(sql.DELETE_WAITING_ROW, [(key,) for key in keys])

    # Requests and results

    def iter_pending_requests(self) -> Iterator[PendingRequest]:
        """Requests without a final result, each once: new ones in the order of the source.

        Then those that failed in earlier runs, the least often tried first: they never keep a run
        with a limit from the others. Read in pages. A request that fails meanwhile does not come
        again in this iteration.
        """
        failed_ids = array("q", (row_id for (row_id,) in self._db.execute(sql.SELECT_FAILED_IDS)))
        last_id = 0
        while True:
            page = self._db.execute(sql.SELECT_PENDING_REQUESTS, (last_id, _PAGE_ROWS)).fetchall()
            for row_id, *stored in page:
                last_id = row_id
                yield _read_request(*stored)
            if len(page) < _PAGE_ROWS:
                break
        for row_id in failed_ids:
            for stored in self._db.execute(sql.SELECT_FAILED_REQUEST, (row_id,)).fetchall():
                yield _read_request(*stored)

    def record_results(
        self,
        results: Iterable[tuple[str, RequestResult]],
        decide: DecideOutcome,
        partial: Iterable[tuple[str, RequestResult]] = (),
    ) -> dict[str, list[Outcome]]:
        """Store results by request key, and the outcomes of their rows, in one transaction.

        `partial` are texts that are paid for, before the rest is requested again. Returns the
        outcomes by request key. If it raises sqlite3.Error, nothing is stored.
        """
        outcomes: dict[str, list[Outcome]] = {}
        with self._transaction():
            for request_key, result in results:
                decided = [
                    (row_id, decide(row, result)) for row_id, row in self._waiting_rows(request_key)
                ]
                for row_id, outcome in decided:
                    self._set_outcome(row_id, outcome)
                is_final = bool(decided) and decided[0][1].alt_source is not AltSource.FAILED
                self._set_result(request_key, result, is_final=is_final)
                outcomes[request_key] = [outcome for _, outcome in decided]
            for request_key, result in partial:
                self._set_result(request_key, result, is_final=False)
        return outcomes

    # Outcomes

    def iter_outcomes(self, *states: AltSource) -> Iterator[tuple[Row, Outcome]]:
        """Rows with an outcome, in the order of the source; if `states` are given, only those.

        Read in pages: nothing is locked between them.
        """
        wanted = json.dumps([state.value for state in states or AltSource])
        last_id = 0
        while True:
            parameters = (last_id, wanted, _PAGE_ROWS)
            page = self._db.execute(sql.SELECT_OUTCOMES, parameters).fetchall()
            for row_id, *stored in page:
                last_id = row_id
                yield _read_outcome(*stored)
            if len(page) < _PAGE_ROWS:
                return

    def find_outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """The outcome of one row; None if it has none."""
        found = self._db.execute(sql.SELECT_OUTCOME, (key,)).fetchone()
        return None if found is None else _read_outcome(*found)

    def find_outcomes(self, keys: Sequence[str]) -> dict[str, tuple[Row, Outcome]]:
        """The outcomes of several rows by key, without rows that have none."""
        found = self._db.execute(sql.SELECT_OUTCOMES_BY_KEY, (json.dumps(list(keys)),)).fetchall()
        return {key: _read_outcome(*stored) for key, *stored in found}

    def find_outcomes_at(self, places: Sequence[int]) -> dict[int, tuple[Row, Outcome]]:
        """The outcomes of rows without a key, by their places in the last scan."""
        found = self._db.execute(sql.SELECT_OUTCOMES_BY_PLACE, (json.dumps(list(places)),))
        return {place: _read_outcome(*stored) for place, *stored in found.fetchall()}

    def find_settled(self, keys: Sequence[str]) -> set[str]:
        """Those of the rows that a run does not request again."""
        found = self._db.execute(sql.SELECT_SETTLED_KEYS, (json.dumps(list(keys)),))
        return {key for (key,) in found}

    def replace_outcomes(self, outcomes: Iterable[Outcome]) -> set[str]:
        """Replace outcomes of rows, in one transaction; they are unwritten again.

        Returns the keys of none: nobody else can change a row that was read before.
        """
        with self._transaction():
            self._db.executemany(
                "UPDATE rows SET state = ?, outcome = ?, written = 0 WHERE key = ?",
                [
                    (each.alt_source.value, serialization.outcome_to_json(each), each.key)
                    for each in outcomes
                ],
            )
        return set()

    def next_unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the target does not have, without the keys in `skip`."""
        skipped = json.dumps(list(skip))
        found = self._db.execute(sql.SELECT_UNWRITTEN, (skipped, limit)).fetchall()
        return [_read_outcome(*each) for each in found]

    def find_unwritten(self, keys: Sequence[str]) -> set[str]:
        """Those of the rows whose outcome the target may not have yet."""
        found = self._db.execute(sql.SELECT_UNWRITTEN_KEYS, (json.dumps(list(keys)),))
        return {key for (key,) in found}

    def mark_written(self, states: Mapping[str, int]) -> None:
        """Store WRITTEN or KEPT by key, after the target's commit."""
        with self._transaction():
            self._db.executemany(
                "UPDATE rows SET written = ? WHERE key = ?",
                [(state, key) for key, state in states.items()],
            )

    def mark_all_written(self) -> None:
        """Store that a whole target file has been written."""
        self._db.execute("UPDATE rows SET written = 1 WHERE outcome IS NOT NULL")

    # Counts

    @property
    def counts(self) -> JournalCounts:
        """Counts of what it has at the moment."""
        return JournalCounts(self._db)

    def read_counts(self) -> RunCounts:
        """Counts of the whole run, earlier processes included."""
        return self.counts.of_run()

    # Internals

    def _prepare(self, identity: RunIdentity | None) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if needs_schema(self._db, self.path):
            if identity is None:
                raise UsageError(f"{self.path} is not a journal of a backfill.")
            with self._transaction():
                # A command that is refused before it scans has recorded no columns.
                create_schema(self._db, without_columns(identity))
        if identity is not None and (difference := describe_difference(self.identity, identity)):
            raise UsageError(
                f"{self.path} is the journal of another run ({difference}): name another one with "
                "--journal, or delete it to begin anew."
            )
        with self._transaction():
            add_scan_schema(self._db)
        self._given_identity = identity
        [self._scan_number] = self._db.execute("SELECT pass FROM run").fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _waiting_rows(self, request_key: str) -> list[tuple[int, Row]]:
        found = self._db.execute(sql.SELECT_WAITING_ROWS, (request_key,))
        return [(row_id, serialization.row_from_json(row)) for row_id, row in found]

    def _set_outcome(self, row_id: int, outcome: Outcome) -> None:
        self._db.execute(
            "UPDATE rows SET state = ?, outcome = ?, written = 0 WHERE id = ?",
            (outcome.alt_source.value, serialization.outcome_to_json(outcome), row_id),
        )

    def _set_result(self, request_key: str, result: RequestResult, *, is_final: bool) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (request_key, serialization.result_to_json(result), int(is_final), result.attempts,
             result.input_tokens, result.output_tokens),
        )  # fmt: skip

    def _decide_from_existing_results(self, decide: DecideOutcome) -> int:
        """Decide one page of new rows whose request has a final result. Returns how many."""
        found = self._db.execute(sql.SELECT_NEW_ROWS_WITH_RESULT, (_PAGE_ROWS,)).fetchall()
        with self._transaction():
            for row_id, row, stored in found:
                result = serialization.result_from_json(stored)
                self._set_outcome(row_id, decide(serialization.row_from_json(row), result))
        return len(found)


def _check_path(path: Path, *, must_exist: bool) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name the journal's file.")
    if must_exist and not path.exists():
        raise UsageError(f"There is no journal {path}.")


def _read_request(request_key: str, row: str, row_count: int, result: str | None) -> PendingRequest:
    earlier = None if result is None else serialization.result_from_json(result)
    return PendingRequest(request_key, serialization.row_from_json(row), row_count, earlier)


def _read_outcome(row: str, outcome: str, result: str | None) -> tuple[Row, Outcome]:
    found = serialization.outcome_from_json(outcome)
    if result is not None:
        found = replace(found, result=serialization.result_from_json(result))
    return serialization.row_from_json(row), found
