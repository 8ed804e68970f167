"""The journal: what it stores, and how it follows a source that changes between runs."""

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

IDENTITY = RunIdentity("in.csv", "out.csv", {"styles": ["concise"]})
RULES = OutcomeRules(CaptionOptions())


def row(key: str, image: str = "", context: str = "") -> Row:
    """A blank row."""
    return Row(key, image or f"http://x/{key}.jpg", context, tags=("a",), values={"kind": "mug"})


def make_result(text: str = "A mug.") -> RequestResult:
    """A result with one text."""
    return RequestResult(
        (TextResult("concise", "en", text, model="m", input_tokens=9),), sha256="s", attempts=1
    )


def read(journal: Journal, *rows: Row) -> list[tuple[str, int, int]]:
    """Scan a source with these rows."""
    journal.begin_scan()
    journal.add_rows(rows)
    return list(journal.end_scan(RULES.decide))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    with Journal.open(tmp_path / "journal", IDENTITY) as journal:
        yield journal


@pytest.mark.parametrize("folder", [".", "/", "a-folder"])
def test_a_folder_is_refused_as_a_journal(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for open_journal in (Journal.open, Journal.read):
        with pytest.raises(UsageError, match="is a folder"):
            open_journal(Path(folder))


def test_rows_and_results_are_read_as_they_were_stored(journal: Journal) -> None:
    full = Row("k", "http://x/ü.jpg", "c", "v", " ", "pending", "ü.jpg", ("a", "b"), {"x": "y"}, 7)
    read(journal, full)
    [pending] = journal.iter_pending_requests()
    assert (pending.row, pending.row_count, pending.earlier_result) == (full, 1, None)
    given = RequestResult(
        (
            TextResult(
                "concise", "en", code="caption_rejected", draft="Image", reasons=("opener",)
            ),
            TextResult("seo", "en", "A mug.", warnings=("w",), model="m", input_tokens=3),
        ),
        "sha", 4, 3, 2, "2026-01-01T00:00:00Z",
    )  # fmt: skip
    journal.record_results([(pending.request_key, given)], RULES.decide)
    [(kept, outcome)] = journal.iter_outcomes()
    assert kept == full
    assert outcome.result == given
    assert (outcome.alt_source, outcome.draft) == (AltSource.REJECTED, "Image")
    assert list(journal.iter_pending_requests()) == []
    assert list(journal.iter_outcomes(AltSource.AI)) == []


def test_one_result_serves_all_rows_with_the_same_request(journal: Journal) -> None:
    read(journal, row("1", "http://x/a"), row("2", "http://x/a"), row("3", "http://x/a", "other"))
    requests = list(journal.iter_pending_requests())
    assert [(pending.row.key, pending.row_count) for pending in requests] == [("1", 2), ("3", 1)]
    outcomes = journal.record_results([(requests[0].request_key, make_result())], RULES.decide)
    assert [each.key for each in outcomes[requests[0].request_key]] == ["1", "2"]
    # Also a row that is added later.
    read(journal, row("4", "http://x/a"))
    assert journal.find_outcome("4") is not None
    assert journal.read_counts().results == 1


def test_a_row_whose_image_or_context_changed_is_requested_again(journal: Journal) -> None:
    read(journal, row("1"), row("2"))
    for pending in list(journal.iter_pending_requests()):
        journal.record_results([(pending.request_key, make_result())], RULES.decide)
    read(journal, row("1", context="now with words"), row("2"))
    assert [pending.row.key for pending in journal.iter_pending_requests()] == ["1"]


def test_rows_that_are_gone_from_the_source_are_not_requested(journal: Journal) -> None:
    read(journal, row("1"), row("2"))
    read(journal, row("2"))
    assert [pending.row.key for pending in journal.iter_pending_requests()] == ["2"]


def test_a_duplicate_key_is_reported_with_both_lines(journal: Journal) -> None:
    first, later = (
        Row("1", "http://x/a", line_number=2),
        Row("1", "http://x/b", line_number=9),
    )
    assert read(journal, first, later) == [("1", 2, 9)]
    assert [pending.row.image for pending in journal.iter_pending_requests()] == ["http://x/a"]


def test_an_outcome_is_written_once_and_again_if_its_row_is_blanked(
    journal: Journal,
) -> None:
    read(journal, row("1"), row("2"))
    for pending in list(journal.iter_pending_requests()):
        journal.record_results([(pending.request_key, make_result())], RULES.decide)
    assert [outcome.key for _, outcome in journal.next_unwritten(10)] == ["1", "2"]
    assert [outcome.key for _, outcome in journal.next_unwritten(10, ["1"])] == ["2"]
    journal.mark_written({"1": WRITTEN, "2": KEPT})
    assert journal.next_unwritten(10) == []
    assert (journal.read_counts().written, journal.read_counts().kept) == (1, 1)
    read(journal, row("1"))
    assert [outcome.key for _, outcome in journal.next_unwritten(10)] == ["1"]


def test_rows_that_failed_come_after_new_ones_and_the_least_often_tried_first(
    journal: Journal,
) -> None:
    rows = [row(str(n)) for n in range(1, 6)]
    read(journal, *rows)
    tries = {"1": 8, "2": 4, "3": 4}
    for pending in list(journal.iter_pending_requests())[:3]:
        failure = RequestResult(code="image_not_found", attempts=tries[pending.row.key])
        journal.record_results([(pending.request_key, failure)], RULES.decide)
    read(journal, *rows)
    found = [pending.row.key for pending in journal.iter_pending_requests()]
    assert found == ["4", "5", "2", "3", "1"]


def test_an_error_while_recording_stores_nothing(
    journal: Journal,
) -> None:
    read(journal, row("1"), row("2"))
    requests = list(journal.iter_pending_requests())

    def breaks(row: Row, given: RequestResult) -> object:
        if row.key == "2":
            raise RuntimeError
        return RULES.decide(row, given)

    with pytest.raises(RuntimeError):
        journal.record_results(
            [(pending.request_key, make_result()) for pending in requests], breaks
        )  # type: ignore[arg-type]
    assert journal.read_counts().results == 0
    assert len(list(journal.iter_pending_requests())) == 2


def test_a_journal_belongs_to_one_run(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path, IDENTITY), pytest.raises(UsageError, match="Another run works with"):
        Journal.open(path, IDENTITY)
    for other, why in (
        (RunIdentity("other.csv", "out.csv", IDENTITY.settings), "its source is in.csv"),
        (RunIdentity("in.csv", "other.csv", IDENTITY.settings), "its target is out.csv"),
        (RunIdentity("in.csv", "out.csv", {"styles": ["seo"]}), "with other styles"),
    ):
        with pytest.raises(UsageError, match=why):
            Journal.open(path, other)
    Journal.open(path, IDENTITY).close()


def test_a_file_that_is_not_a_journal_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1_000)
    for opened in (lambda: Journal.open(path, IDENTITY), lambda: Journal.read(path)):
        with pytest.raises(UsageError, match="cannot be"):
            opened()
    assert path.read_text().startswith("my notes")
    other = sqlite3.connect(tmp_path / "newer")
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(UsageError, match="another version"):
        Journal.open(tmp_path / "newer", IDENTITY)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_of_somebody_else_is_refused_and_stays_as_it_was(
    tmp_path: Path, version: int, mode: str
) -> None:
    path = tmp_path / "shop.db"
    shop = sqlite3.connect(path)
    shop.execute(f"PRAGMA journal_mode = {mode}")
    shop.execute("CREATE TABLE products (id INTEGER PRIMARY KEY)")
    shop.execute(f"PRAGMA user_version = {version}")
    shop.commit()
    shop.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is not a journal of a backfill but another database"):
        Journal.open(path, IDENTITY)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["shop.db"]


def test_a_journal_can_be_read_while_a_run_writes(journal: Journal) -> None:
    read(journal, row("1"))
    [pending] = journal.iter_pending_requests()
    journal.record_results([(pending.request_key, make_result())], RULES.decide)
    with Journal.read(journal.path) as reader:
        assert [outcome.alt for _, outcome in reader.iter_outcomes()] == ["A mug."]
