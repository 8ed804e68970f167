"""Which rows come onto a page."""

from collections.abc import Sequence

import pytest
from altwright import UsageError
from altwright.backfill.review.selection import select_rows
from altwright.backfill.types import AltSource

from tests.backfill.review.sample_outcomes import mixed, pair
from tests.backfill.review.test_page import Listed


def keys(labels: Sequence[str] = (), limit: int = 2_000, sample: int | None = None) -> list[str]:
    """Of the rows that are chosen from one of each."""
    return [
        row.key
        for row, _ in select_rows(Listed(mixed()), labels=labels, limit=limit, sample=sample).pairs
    ]


def test_first_what_waits_then_what_was_written_then_what_failed() -> None:
    assert keys() == ["2", "3", "4", "1", "5", "7", "8", "9", "6"]


def test_only_the_outcomes_that_are_named() -> None:
    assert keys(["held"]) == ["4"]
    assert keys(["uncertain", "failed"]) == ["3", "6"]
    with pytest.raises(UsageError, match="no outcome 'good'"):
        keys(["good"])


def test_a_sample_is_of_what_a_model_wrote_alone_and_the_same_each_time() -> None:
    rows = [pair(str(n)) for n in range(1_000)] + [pair("held", AltSource.UNCERTAIN, held="x")]
    first, again = (select_rows(Listed(rows), sample=20) for _ in range(2))
    drawn = [row.key for row, _ in first.pairs]
    assert first == again
    assert (drawn[0], len(drawn), first.left_out) == ("held", 21, 980)
    numbers = [int(key) for key in drawn[1:]]
    assert numbers == sorted(numbers)
    assert numbers[0] < 250
    assert numbers[-1] > 750  # from the whole catalogue, not from its beginning


def test_what_does_not_fit_is_counted() -> None:
    chosen = select_rows(Listed(mixed()), limit=4)
    assert [row.key for row, _ in chosen.pairs][:3] == ["2", "3", "4"]
    assert (len(chosen.pairs), chosen.left_out) == (4, 5)
