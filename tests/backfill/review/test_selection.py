"""Which rows are selected for a review page."""

from collections.abc import Sequence

import pytest
from altwright import UsageError
from altwright.backfill.review.selection import select_rows
from altwright.backfill.types import AltSource

from tests.backfill.review.sample_outcomes import make_pair, one_of_each
from tests.backfill.review.test_page import FakeJournal


def keys(labels: Sequence[str] = (), limit: int = 2_000, sample: int | None = None) -> list[str]:
    """Keys of the rows that are selected from one of each outcome."""
    return [
        row.key
        for row, _ in select_rows(
            FakeJournal(one_of_each()), labels=labels, limit=limit, sample=sample
        ).rows
    ]


def test_waiting_rows_come_first_then_written_then_failed_ones() -> None:
    assert keys() == ["2", "3", "4", "1", "5", "7", "8", "9", "6"]


def test_only_the_given_labels_are_selected() -> None:
    assert keys(["held"]) == ["4"]
    assert keys(["uncertain", "failed"]) == ["3", "6"]
    with pytest.raises(UsageError, match="no outcome 'good'"):
        keys(["good"])


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
