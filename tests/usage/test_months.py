"""Months are calendar months in UTC."""

from datetime import UTC, datetime

import pytest

from app.usage.months import Month


@pytest.mark.parametrize(
    "text",
    ["2026-13", "2026-00", "2026-1", "november", "", "2026-11-01", "0000-01", "9999-12",
     "２０２６-11", "2026-11\n", "-026-11"],
)  # fmt: skip
def test_a_month_that_is_no_month_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="2026-11"):
        Month.parse(text)


def test_december_ends_with_the_year() -> None:
    month = Month.parse("2026-12")
    assert month.start == datetime(2026, 12, 1, tzinfo=UTC)
    assert month.end == datetime(2027, 1, 1, tzinfo=UTC)
    assert str(month) == "2026-12"


def test_a_moment_belongs_to_the_month_in_utc() -> None:
    end_s = Month(2026, 11).end.timestamp()
    assert (Month.at(end_s - 1), Month.at(end_s)) == (Month(2026, 11), Month(2026, 12))
