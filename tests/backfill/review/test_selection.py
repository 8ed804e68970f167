"""Which rows are selected for a review page."""

import dataclasses
from collections.abc import Sequence

import pytest
from altwright import UsageError
from altwright.backfill.review.doubt import Doubt, doubt_of
from altwright.backfill.review.selection import select_rows
from altwright.backfill.types import AltSource, Outcome, Row

from tests.backfill.review.sample_outcomes import contradicted, make_pair, one_of_each
from tests.backfill.review.test_page import FakeJournal


def keys(labels: Sequence[str] = (), limit: int = 2_000, sample: int | None = None) -> list[str]:
    """Keys of the rows that are selected from one of each outcome."""
    return [
        row.key
        for row, _ in select_rows(
            FakeJournal(one_of_each()), labels=labels, limit=limit, sample=sample
        ).rows
    ]


def test_the_most_doubtful_rows_come_first_and_failed_ones_last() -> None:
    """Waiting ones, those with warnings (9), the others, each in the order of the source."""
    assert keys() == ["2", "3", "4", "9", "1", "5", "7", "8", "6"]


def test_contradicted_rows_come_before_all_others() -> None:
    """By the number of contradicted claims; also where only the code of a rule tells it."""
    rows = [
        *one_of_each(),
        make_pair("code", AltSource.UNCERTAIN, warnings=("subject_disputed",), held="x"),
        contradicted("two claims"),
        with_rejected_draft(make_pair("enforced", AltSource.REJECTED)),
    ]
    selection = select_rows(FakeJournal(rows))
    first = [row.key for row, _ in selection.rows][:4]
    assert first == ["two claims", "code", "enforced", "2"]


def test_what_a_person_decided_is_not_doubtful() -> None:
    _, outcome = contradicted("1")
    assert doubt_of(outcome) is Doubt.CONTRADICTED
    decided = dataclasses.replace(outcome, alt_reviewed_at="2026-11-25T10:00:00Z")
    assert doubt_of(decided) is Doubt.NONE


def test_only_the_given_labels_are_selected() -> None:
    assert keys(["held"]) == ["4"]
    assert keys(["uncertain", "failed"]) == ["3", "6"]
    with pytest.raises(UsageError, match="no outcome 'good'"):
        keys(["good"])


def with_rejected_draft(pair: tuple[Row, Outcome]) -> tuple[Row, Outcome]:
    """A draft that a server with VERIFY=enforce has rejected."""
    row, outcome = pair
    reason = 'text_not_in_picture: The picture does not show "OPEN"'
    text = dataclasses.replace(outcome.result.texts[0], text="", draft="A", reasons=(reason,))
    result = dataclasses.replace(outcome.result, texts=(text,))
    return row, dataclasses.replace(outcome, result=result)


def test_a_spot_check_takes_the_most_doubtful_and_a_random_part() -> None:
    """Half of it at most has warnings; what is drawn comes from all others."""
    rows = [make_pair(str(n), warnings=("short",) if n % 10 == 0 else ()) for n in range(1_000)]
    selection = select_rows(FakeJournal(rows), sample=40)
    spot_check = selection.spot_check
    assert spot_check is not None
    assert (spot_check.doubtful, len(spot_check.drawn), spot_check.drawn_from) == (20, 20, 980)
    assert (len(selection.rows), selection.left_out) == (40, 960)
    assert all(outcome.warnings for _, outcome in selection.rows[:20])
    keys = {row.key for row, _ in selection.rows}
    assert len(keys - spot_check.drawn) == 20
    assert not {row.key for row, _ in selection.rows[25:]} - spot_check.drawn
    few = select_rows(FakeJournal(rows[:14]), sample=40).spot_check
    assert few is not None
    assert (few.doubtful, len(few.drawn), few.drawn_from) == (2, 12, 12)
    other = select_rows(FakeJournal(rows), sample=40, seed=1).spot_check
    assert other is not None
    assert other.drawn != spot_check.drawn


def test_a_spot_check_has_its_place_however_many_rows_wait() -> None:
    """Half of the page at least."""
    waiting = [make_pair(f"w{n}", AltSource.UNCERTAIN, held="x") for n in range(100)]
    written = [make_pair(str(n)) for n in range(100)]
    selection = select_rows(FakeJournal([*waiting, *written]), limit=20, sample=15)
    keys = [row.key for row, _ in selection.rows]
    assert len(keys) == 20
    assert sum(key.startswith("w") for key in keys) == 10
    assert selection.left_out == 180


def test_only_written_rows_are_sampled_and_the_sample_is_always_the_same() -> None:
    rows = [make_pair(str(n)) for n in range(1_000)] + [
        make_pair("held", AltSource.UNCERTAIN, held="x")
    ]
    first, again = (select_rows(FakeJournal(rows), sample=20) for _ in range(2))
    drawn = [row.key for row, _ in first.rows]
    assert first == again
    assert (drawn[0], len(drawn), first.left_out) == ("held", 21, 980)
    numbers = [int(key) for key in drawn[1:]]
    assert numbers == sorted(numbers)
    assert numbers[0] < 250
    assert numbers[-1] > 750  # from the whole catalogue


def test_rows_beyond_the_limit_are_counted() -> None:
    chosen = select_rows(FakeJournal(one_of_each()), limit=4)
    assert [row.key for row, _ in chosen.rows][:3] == ["2", "3", "4"]
    assert (len(chosen.rows), chosen.left_out) == (4, 5)
