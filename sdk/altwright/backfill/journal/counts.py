"""Counts of a journal: for a summary, an estimate and the progress display."""

from __future__ import annotations

import sqlite3

from altwright.backfill.journal import sql
from altwright.backfill.run_state import DuplicateCounts, RunCounts
from altwright.backfill.types import AltSource


class JournalCounts:
    """Counts what a journal has at the moment, each in one statement."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def of_run(self) -> RunCounts:
        """Counts of the whole run, earlier processes included."""
        states = {AltSource(s): n for s, n in self._db.execute(
            "SELECT state, count(*) FROM rows WHERE written != 3 GROUP BY state")}  # fmt: skip
        held, written, kept, gone, reviewed = self._db.execute(sql.COUNT_ROWS).fetchone()
        found = self._db.execute(sql.COUNT_RESULTS).fetchone()
        results, attempts, input_tokens, output_tokens = found
        return RunCounts(
            states,
            held,
            written,
            kept,
            gone,
            results,
            attempts,
            input_tokens,
            output_tokens,
            reviewed,
        )

    def pending_requests(self) -> int:
        """How many requests `Journal.iter_pending_requests` yields."""
        [count] = self._db.execute(sql.COUNT_PENDING_REQUESTS).fetchone()
        return int(count)

    def measured_texts(self) -> tuple[int, int, int]:
        """Texts whose tokens the server has told, and their sums of input and output tokens."""
        texts, input_tokens, output_tokens = self._db.execute(sql.COUNT_MEASURED_TEXTS).fetchone()
        return int(texts), int(input_tokens), int(output_tokens)

    def duplicates(self) -> DuplicateCounts:
        """How much of the waiting rows repeats."""
        found = self._db.execute(sql.COUNT_DUPLICATES).fetchone()
        rows, requests, images, requests_by_name, answered_twice = found
        same_bytes = requests_by_name - requests
        return DuplicateCounts(rows, requests, images, same_bytes, answered_twice)

    def repeats(self) -> int:
        """Rows of the last scan with the key, image and context of an earlier row."""
        statement = "SELECT count(*) FROM repeats WHERE NOT is_conflict"
        return int(self._db.execute(statement).fetchone()[0])
