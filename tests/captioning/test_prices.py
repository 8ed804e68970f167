"""What tokens cost, by the price that an operator has set."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from app.captioning.prices import Price
from app.token_use import TokenPrice


def test_a_price_is_what_was_written_and_not_the_float_next_to_it() -> None:
    price = Price.model_validate({"input": 0.15, "output": 0.60, "currency": "USD"})
    assert price.token_price() == TokenPrice(Decimal("0.15"), Decimal("0.6"), "USD")


@pytest.mark.parametrize(
    "number", [-1, True, "0.15", "cheap", float("nan"), float("inf"), 10**400, None, []]
)
def test_a_price_is_a_number_that_is_not_negative(number: object) -> None:
    with pytest.raises(ValidationError, match="must be a number from 0"):
        Price.model_validate({"input": number, "output": 1, "currency": "USD"})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"input": 1, "output": 1},
        {"input": 1, "currency": "USD"},
        {"input": 1, "output": 1, "currency": "usd"},
        {"input": 1, "output": 1, "currency": "DOLLAR"},
        {"input": 1, "output": 1, "currency": "USD", "cached": 1},
    ],
)
def test_a_price_has_two_numbers_and_a_currency(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(values)
