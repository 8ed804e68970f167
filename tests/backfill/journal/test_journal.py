"""The journal: what it keeps, and what it makes of a source that changes between runs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.journal.journal import Journal
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run_state import KEPT, WRITTEN, RunIdentity
from altwright.backfill.types import AltSource, RequestResult, Row, TextResult
from altwright.errors import UsageError

FACTS = RunIdentity("in.csv", "out.csv", {"styles": ["concise"]})
JUDGE = OutcomeRules(CaptionOptions())


def row(key: str, image: str = "", context: str = "") -> Row:
    """A blank one."""
    return Row(key, image or f"http://x/{key}.jpg", context, tags=("a",), values={"kind": "mug"})


def answer(text: str = "A mug.") -> RequestResult:
    """A good one."""
    return RequestResult(
        (TextResult("concise", "en", text, model="m", input_tokens=9),), sha256="s", attempts=1
    )


def read(journal: Journal, *rows: Row) -> list[tuple[str, int, int]]:
    """As if the source had these rows."""
    journal.begin_pass()
    journal.see(rows)
    return list(journal.end_pass(JUDGE))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty one."""
    with Journal.open(tmp_path / "journal", FACTS) as journal:
        yield journal


def test_rows_and_answers_come_back_as_they_went_in(journal: Journal) -> None:
    full = Row("k", "http://x/ü.jpg", "c", " ", "pending", "ü.jpg", ("a", "b"), {"x": "y"}, 7)
    read(journal, full)
    [ask] = journal.to_do()
    assert (ask.row, ask.rows, ask.answer) == (full, 1, None)
    given = RequestResult(
        (
            TextResult(
                "concise", "en", code="caption_rejected", draft="Image", reasons=("opener",)
            ),
            TextResult("seo", "en", "A mug.", warnings=("w",), model="m", input_tokens=3),
        ),
        "sha", 4, 3, 2, "2026-01-01T00:00:00Z",
    )  # fmt: skip
    journal.record([(ask.ask, given)], JUDGE)
    [(kept, outcome)] = journal.outcomes()
    assert kept == full
    assert outcome.answer == given
    assert (outcome.alt_source, outcome.draft) == (AltSource.REJECTED, "Image")
    assert list(journal.to_do()) == []
    assert list(journal.outcomes(AltSource.AI)) == []


def test_one_answer_serves_all_rows_that_ask_the_same(journal: Journal) -> None:
    read(journal, row("1", "http://x/a"), row("2", "http://x/a"), row("3", "http://x/a", "other"))
    asks = list(journal.to_do())
    assert [(ask.row.key, ask.rows) for ask in asks] == [("1", 2), ("3", 1)]
    outcomes = journal.record([(asks[0].ask, answer())], JUDGE)
    assert [each.key for each in outcomes[asks[0].ask]] == ["1", "2"]
    # And one that comes later.
    read(journal, row("4", "http://x/a"))
    assert journal.outcome("4") is not None
    assert journal.counts().answered == 1


def test_a_row_with_another_picture_or_context_is_asked_again(journal: Journal) -> None:
    read(journal, row("1"), row("2"))
    for ask in list(journal.to_do()):
        journal.record([(ask.ask, answer())], JUDGE)
    read(journal, row("1", context="now with words"), row("2"))
    assert [ask.row.key for ask in journal.to_do()] == ["1"]


def test_rows_that_are_gone_from_the_source_are_not_asked(journal: Journal) -> None:
    read(journal, row("1"), row("2"))
    read(journal, row("2"))
    assert [ask.row.key for ask in journal.to_do()] == ["2"]


def test_a_key_that_is_there_twice_is_told_with_both_lines(journal: Journal) -> None:
    first, later = (
        Row("1", "http://x/a", place=2),
        Row("1", "http://x/b", place=9),
    )
    assert read(journal, first, later) == [("1", 2, 9)]
    assert [ask.row.image for ask in journal.to_do()] == ["http://x/a"]


def test_what_is_written_is_written_once_and_again_where_it_is_blank_again(
    journal: Journal,
) -> None:
    read(journal, row("1"), row("2"))
    for ask in list(journal.to_do()):
        journal.record([(ask.ask, answer())], JUDGE)
    assert [outcome.key for _, outcome in journal.unwritten(10)] == ["1", "2"]
    assert [outcome.key for _, outcome in journal.unwritten(10, ["1"])] == ["2"]
    journal.mark({"1": WRITTEN, "2": KEPT})
    assert journal.unwritten(10) == []
    assert (journal.counts().written, journal.counts().kept) == (1, 1)
    read(journal, row("1"))
    assert [outcome.key for _, outcome in journal.unwritten(10)] == ["1"]


def test_an_error_in_the_middle_of_recording_leaves_nothing_half_recorded(
    journal: Journal,
) -> None:
    read(journal, row("1"), row("2"))
    asks = list(journal.to_do())

    def breaks(row: Row, given: RequestResult) -> object:
        if row.key == "2":
            raise RuntimeError
        return JUDGE(row, given)

    with pytest.raises(RuntimeError):
        journal.record([(ask.ask, answer()) for ask in asks], breaks)  # type: ignore[arg-type]
    assert journal.counts().answered == 0
    assert len(list(journal.to_do())) == 2


def test_a_journal_is_for_one_run_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, FACTS), pytest.raises(UsageError, match="Another run works with"):
        Journal.open(path, FACTS)
    for other, why in (
        (RunIdentity("other.csv", "out.csv", FACTS.settings), "its source is in.csv"),
        (RunIdentity("in.csv", "other.csv", FACTS.settings), "its target is out.csv"),
        (RunIdentity("in.csv", "out.csv", {"styles": ["seo"]}), "with other styles"),
    ):
        with pytest.raises(UsageError, match=why):
            Journal.open(path, other)
    Journal.open(path, FACTS).close()


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1_000)
    for opened in (lambda: Journal.open(path, FACTS), lambda: Journal.read(path)):
        with pytest.raises(UsageError, match="cannot be"):
            opened()
    assert path.read_text().startswith("my notes")
    other = sqlite3.connect(tmp_path / "newer")
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(UsageError, match="another version"):
        Journal.open(tmp_path / "newer", FACTS)


def test_readers_see_it_while_a_run_writes(journal: Journal) -> None:
    read(journal, row("1"))
    [ask] = journal.to_do()
    journal.record([(ask.ask, answer())], JUDGE)
    with Journal.read(journal.path) as reader:
        assert [outcome.alt for _, outcome in reader.outcomes()] == ["A mug."]
