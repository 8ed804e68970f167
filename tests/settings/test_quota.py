"""The notation of quotas."""

import pytest

from app.settings.quota import parse_quota


@pytest.mark.parametrize(
    "text",
    ["", "10000", "many/month", "-1/month", "10/day", "1.5/month", "1/month;2/month", "٣/month"],
)
def test_an_invalid_quota_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="10000/month"):
        parse_quota(text)


def test_a_quota_is_a_number_of_captions_and_may_be_0() -> None:
    assert (parse_quota("10000/month"), parse_quota("0/month")) == (10_000, 0)
