"""The notation of rate limits."""

import pytest

from app.settings.rate_limit import parse_rate_limits


@pytest.mark.parametrize("text", ["", "often", "0/minute", "60", "-1/minute", "60/minute;;x"])
def test_an_invalid_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="60/minute"):
        parse_rate_limits(text)


def test_several_limits_are_joined_by_semicolons() -> None:
    per_second, per_day = parse_rate_limits("10/second;5000/day")
    assert (per_second.amount, per_second.get_expiry()) == (10, 1)
    assert (per_day.amount, per_day.get_expiry()) == (5000, 24 * 3600)
