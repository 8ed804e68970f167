"""What tokens cost, by the price that an operator has set."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from app.captioning.prices import Cost, Price

PRICE = Price.model_validate({"input": 0.15, "output": 0.60, "currency": "USD"})


def test_tokens_cost_what_their_price_says_to_the_last_digit() -> None:
    """Sums of floats would not: a tenth is no binary fraction."""
    assert PRICE.cost(1_000_000, 0) == Cost(Decimal("0.15"), "USD")
    assert PRICE.cost(1_021, 17) == Cost(Decimal("0.00016335"), "USD")


def test_no_cost_is_guessed_where_tokens_are_unknown() -> None:
    assert PRICE.cost(None, 17) is None
    assert PRICE.cost(1_021, None) is None


@pytest.mark.parametrize(
    "number", [-1, True, "0.15", "cheap", float("nan"), float("inf"), None, []]
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
