"""The memory of a backfill: one SQLite file beside the run, written before anything else is.

Rows that were seen, answers that were paid for, and what of them has reached the target. A row goes
pending -> recorded -> written; each arrow is one transaction, so that a kill leaves it at one end.
Every answer is on the disk before its text is written anywhere (WAL, synchronous=FULL: a commit
outlives a power cut too, and costs a few milliseconds against a call that costs seconds).

One process writes (`Journal.open` takes a lock), any number read (`Journal.read`). Not for several
threads at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from altwright.backfill.errors import JournalUnwritable
from altwright.backfill.journal import serialization, sql
from altwright.backfill.journal.lock import JournalLock
from altwright.backfill.run_state import (
    DecideOutcome,
    DuplicateCounts,
    PendingRequest,
    RunCounts,
    RunIdentity,
    describe_difference,
)
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row
from altwright.errors import UsageError

_PAGE = 256
"""Rows that are held in memory at once, however many there are."""
_BUSY_MS = 10_000
"""A reader that checkpoints holds the file for milliseconds; more is a program that hangs."""


class Journal:
    """See the module. `open` to write, `read` to look."""

    def __init__(self, path: Path, lock: JournalLock | None) -> None:
        self.path = path
        self._lock = lock
        address = f"{path.resolve().as_uri()}?mode={'ro' if lock is None else 'rwc'}"
        self._db = sqlite3.connect(
            address, uri=True, isolation_level=None, check_same_thread=False,
            timeout=_BUSY_MS / 1000,
        )  # fmt: skip
        self._pass = 0

    @classmethod
    def open(cls, path: Path, facts: RunIdentity | None = None) -> Journal:
        """Open or, where `facts` are given, make it. Raises UsageError with one sentence."""
        if facts is None and not path.exists():
            raise UsageError(f"There is no journal {path}.")
        try:
            lock = JournalLock(path)
        except (OSError, sqlite3.Error) as error:
            raise JournalUnwritable(f"{path} cannot be written: {error}.") from None
        try:
            journal = cls(path, lock)
            journal._prepare(facts)
        except sqlite3.OperationalError as error:
            lock.release()
            raise JournalUnwritable(f"{path} cannot be written: {error}.") from None
        except sqlite3.DatabaseError as error:
            lock.release()
            raise UsageError(f"{path} cannot be used as a journal: {error}.") from None
        except UsageError:
            lock.release()
            raise
        return journal

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Open to read, also while a run writes. Raises UsageError with one sentence."""
        if not path.exists():
            raise UsageError(f"There is no journal {path}.")
        try:
            journal = cls(path, None)
            journal._check_version()
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{path} cannot be read as a journal: {error}.") from None
        return journal

    def close(self) -> None:
        """Close it and let others work with it."""
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

    # What it is for

    @property
    def facts(self) -> RunIdentity:
        """What it was made for."""
        [text] = self._db.execute("SELECT facts FROM run").fetchone()
        return RunIdentity(**json.loads(text))

    @property
    def target_stamps(self) -> list[str]:
        """What the target file may look like, the newest first; none before it is written."""
        [stamps] = self._db.execute("SELECT target_stamp FROM run").fetchone()
        return str(stamps).split()

    def set_target_stamps(self, *stamps: str) -> None:
        """Remember what the target file looks like, to see later whether somebody changed it."""
        self._db.execute("UPDATE run SET target_stamp = ?", (" ".join(stamps),))

    # Rows come in

    def begin_pass(self) -> None:
        """The source is about to be read from its beginning."""
        with self._transaction():
            self._db.execute("UPDATE run SET pass = pass + 1")
            [self._pass] = self._db.execute("SELECT pass FROM run").fetchone()

    def see(self, rows: Sequence[Row]) -> None:
        """Rows that are blank in the source, in one transaction.

        A row that is known with the same picture and context keeps its outcome; it will be written
        again, for it is blank. With another picture or context it is as if it were new.
        """
        with self._transaction():
            self._db.executemany(
                sql.UPSERT_ROW,
                [(r.key, r.ask, serialization.row_to_json(r), r.place, self._pass) for r in rows],
            )

    def end_pass(self, judge: DecideOutcome) -> Iterator[tuple[str, int, int]]:
        """The source has been read to its end.

        Rows that wait and were not seen any more are forgotten: they are gone, or a person filled
        them. New rows whose question was answered before get that answer. Yields (key, first line,
        later line) of rows with the key of another one and a different picture; these are left out.
        """
        with self._transaction():
            self._db.execute(sql.DELETE_UNSEEN_ROWS, (self._pass,))
        while self._settle_twins(judge):
            pass
        yield from self._db.execute(sql.SELECT_KEY_CONFLICTS, (self._pass,))

    # What is to be done

    def to_do(self) -> Iterator[PendingRequest]:
        """Questions without an answer, in the order of the source, each once.

        Read in pages as they are taken; what fails meanwhile does not come again in this round.
        """
        after = 0
        while True:
            page = self._db.execute(sql.SELECT_PENDING_REQUESTS, (after, _PAGE)).fetchall()
            for row_id, ask, row, count, answer in page:
                after = row_id
                known = None if answer is None else serialization.result_from_json(answer)
                yield PendingRequest(ask, serialization.row_from_json(row), count, known)
            if len(page) < _PAGE:
                return

    def count_to_do(self) -> int:
        """How many questions `to_do` will yield."""
        [count] = self._db.execute(sql.COUNT_PENDING_REQUESTS).fetchone()
        return int(count)

    # What was answered

    def record(
        self, answers: Iterable[tuple[str, RequestResult]], judge: DecideOutcome
    ) -> dict[str, list[Outcome]]:
        """Answers as they came, and what they mean for each row that asked, in one transaction.

        Returns the outcomes of each ask. What it raises (sqlite3.Error) leaves nothing half
        recorded.
        """
        outcomes: dict[str, list[Outcome]] = {}
        with self._transaction():
            for ask, answer in answers:
                judged = [(row_id, judge(row, answer)) for row_id, row in self._waiting(ask)]
                for row_id, outcome in judged:
                    self._set_outcome(row_id, outcome)
                settled = bool(judged) and judged[0][1].alt_source is not AltSource.FAILED
                self._keep(ask, answer, settled=settled)
                outcomes[ask] = [outcome for _, outcome in judged]
        return outcomes

    def outcomes(self, *states: AltSource) -> Iterator[tuple[Row, Outcome]]:
        """Rows that have an outcome, in the order of the source; only those of `states` if named.

        Read in pages: memory is flat, and nothing is locked between them.
        """
        wanted = json.dumps([state.value for state in states or AltSource])
        after = 0
        while True:
            page = self._db.execute(sql.SELECT_OUTCOMES, (after, wanted, _PAGE)).fetchall()
            for row_id, *texts in page:
                after = row_id
                yield _read_outcome(*texts)
            if len(page) < _PAGE:
                return

    def outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """One row's; None where it has none."""
        found = self._db.execute(sql.SELECT_OUTCOME, (key,)).fetchone()
        return None if found is None else _read_outcome(*found)

    def outcomes_of(self, keys: Sequence[str]) -> dict[str, tuple[Row, Outcome]]:
        """Those of so many rows at once; who has none is left out."""
        found = self._db.execute(sql.SELECT_OUTCOMES_BY_KEY, (json.dumps(list(keys)),)).fetchall()
        return {key: _read_outcome(*texts) for key, *texts in found}

    def keep(self, ask: str, answer: RequestResult) -> None:
        """A part of an answer, before the rest is asked for again: it is paid for."""
        with self._transaction():
            self._keep(ask, answer, settled=False)

    def forget(self, keys: Iterable[str]) -> None:
        """Rows that a person filled before they were asked about."""
        with self._transaction():
            self._db.executemany(sql.DELETE_WAITING_ROW, [(key,) for key in keys])

    def review(self, key: str, outcome: Outcome) -> None:
        """Another outcome in place of what there was; it waits to be written."""
        self.decide([replace(outcome, key=key)])

    def decide(self, outcomes: Iterable[Outcome]) -> None:
        """Decisions in place of what there was, in one transaction; they wait to be written."""
        with self._transaction():
            self._db.executemany(
                "UPDATE rows SET state = ?, outcome = ?, written = 0 WHERE key = ?",
                [
                    (each.alt_source.value, serialization.outcome_to_json(each), each.key)
                    for each in outcomes
                ],
            )

    # What reached the target

    def unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the target does not have; `skip` are keys that have to wait."""
        left_out = json.dumps(list(skip))
        found = self._db.execute(sql.SELECT_UNWRITTEN, (left_out, limit)).fetchall()
        return [_read_outcome(*each) for each in found]

    def mark(self, written: Mapping[str, int]) -> None:
        """Say of each key whether it is WRITTEN or KEPT, after the target's commit."""
        with self._transaction():
            self._db.executemany(
                "UPDATE rows SET written = ? WHERE key = ?",
                [(what, key) for key, what in written.items()],
            )

    def mark_all_written(self) -> None:
        """A whole file has been written."""
        self._db.execute("UPDATE rows SET written = 1 WHERE outcome IS NOT NULL")

    # Where it stands

    def counts(self) -> RunCounts:
        """Of everything so far, earlier runs included."""
        states = {AltSource(s): n for s, n in self._db.execute(
            "SELECT state, count(*) FROM rows GROUP BY state")}  # fmt: skip
        held, written, kept, asks = self._db.execute(sql.COUNT_ROWS).fetchone()
        answers = self._db.execute(sql.COUNT_RESULTS).fetchone()
        return RunCounts(states, held, written, kept, asks, *answers)

    def repeats(self) -> DuplicateCounts:
        """Of what is to be done: how much is asked more than once."""
        rows, asks, pictures, named, answered = self._db.execute(sql.COUNT_DUPLICATES).fetchone()
        return DuplicateCounts(rows, asks, pictures, named - asks, answered)

    # Inside

    def _prepare(self, facts: RunIdentity | None) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            if facts is None:
                raise UsageError(f"{self.path} is no journal of a backfill.")
            self._create(facts)
        self._check_version()
        if facts is not None and (different := describe_difference(self.facts, facts)):
            raise UsageError(
                f"{self.path} is the journal of another run ({different}): name another one with "
                "--journal, or delete it to begin anew."
            )
        [self._pass] = self._db.execute("SELECT pass FROM run").fetchone()

    def _create(self, facts: RunIdentity) -> None:
        with self._transaction():
            for statement in sql.SCHEMA.split(";"):
                self._db.execute(statement)
            said = {"source": facts.source, "target": facts.target, "settings": facts.settings}
            self._db.execute("INSERT INTO run (one, facts) VALUES (1, ?)", (json.dumps(said),))
            self._db.execute(f"PRAGMA user_version = {sql.SCHEMA_VERSION}")

    def _check_version(self) -> None:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise UsageError(f"{self.path} is no journal of a backfill.")
        if version != sql.SCHEMA_VERSION:
            raise UsageError(
                f"{self.path} was written by another version of altwright (format {version}, "
                f"this one reads {sql.SCHEMA_VERSION})."
            )

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

    def _waiting(self, ask: str) -> list[tuple[int, Row]]:
        found = self._db.execute(sql.SELECT_WAITING_ROWS, (ask,))
        return [(row_id, serialization.row_from_json(row)) for row_id, row in found]

    def _set_outcome(self, row_id: int, outcome: Outcome) -> None:
        self._db.execute(
            "UPDATE rows SET state = ?, outcome = ?, written = 0 WHERE id = ?",
            (outcome.alt_source.value, serialization.outcome_to_json(outcome), row_id),
        )

    def _keep(self, ask: str, answer: RequestResult, *, settled: bool) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
            (ask, serialization.result_to_json(answer), int(settled), answer.attempts,
             answer.input_tokens, answer.output_tokens),
        )  # fmt: skip

    def _settle_twins(self, judge: DecideOutcome) -> int:
        """Some rows that are new and whose question is answered; how many they were."""
        found = self._db.execute(sql.SELECT_NEW_ROWS_WITH_RESULT, (_PAGE,)).fetchall()
        with self._transaction():
            for row_id, row, answer in found:
                known = serialization.result_from_json(answer)
                self._set_outcome(row_id, judge(serialization.row_from_json(row), known))
        return len(found)


def _read_outcome(row: str, outcome: str, answer: str | None) -> tuple[Row, Outcome]:
    found = serialization.outcome_from_json(outcome)
    if answer is not None:
        found = replace(found, answer=serialization.result_from_json(answer))
    return serialization.row_from_json(row), found
