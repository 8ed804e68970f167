"""A commit that fails is repeated as a whole: nothing is stored twice, and nothing half."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from altwright.backfill.journal import writer
from altwright.backfill.journal.journal import Journal
from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult


def decide(row: Row, result: RequestResult) -> Outcome:
    """The first text."""
    return Outcome(row.key, AltSource.AI, result, alt=result.texts[0].text)


def test_a_repeated_commit_asks_no_settled_row_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row(str(n), f"https://a.example/{n}.jpg") for n in range(2)]
    result = RequestResult((TextResult("concise", "en", "A mug."),), attempts=1)
    monkeypatch.setattr(writer, "_RETRY_DELAYS_S", (0.0,))
    with Journal.open(tmp_path / "j", RunIdentity("s", "t", {})) as journal:
        journal.begin_scan()
        journal.add_rows(rows)
        list(journal.end_scan(decide))
        store, failures = journal._set_result, [sqlite3.OperationalError("disk is full")]

        def fail_once(key: str, found: RequestResult, *, is_final: bool) -> None:
            if not is_final and failures:
                raise failures.pop()
            store(key, found, is_final=is_final)

        monkeypatch.setattr(journal, "_set_result", fail_once)

        async def record() -> list[list[Outcome]]:
            journal_writer = JournalWriter(journal, decide)
            done = await asyncio.gather(
                journal_writer.record(rows[0].request_key, result, is_complete=True),
                journal_writer.record(rows[1].request_key, result, is_complete=False),
            )
            await journal_writer.close()
            return done

        [settled, partial] = asyncio.run(record())
        assert ([each.alt for each in settled], partial, failures) == (["A mug."], [], [])
        # A later row with the same request has its result at once.
        journal.begin_scan()
        journal.add_rows([*rows, Row("9", rows[0].image)])
        list(journal.end_scan(decide))
        assert [each.row.key for each in journal.iter_pending_requests()] == ["1"]
