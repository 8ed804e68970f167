"""What a model's tokens cost: the price that an operator sets (MODEL_PRICE)."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.token_use import TokenPrice

_MAX_PRICE = 1_000_000
"""No currency has a model for more: a price for one token was written by mistake."""
_EXAMPLE = '{"input": 0.15, "output": 0.60, "currency": "USD"}'


def _number(value: object) -> Decimal:
    """A price as it was written: `0.1` is a tenth, not the float next to it."""
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _MAX_PRICE:  # type: ignore[operator] # no NaN is
        raise ValueError(f"must be a number from 0 to {_MAX_PRICE}, for a million tokens")
    return Decimal(str(value))


Amount = Annotated[Decimal, BeforeValidator(_number)]


class Price(BaseModel):
    """What a provider asks for a million tokens of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    input: Amount
    output: Amount
    """Reasoning included."""
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    """Three capital letters (ISO 4217)."""

    @model_validator(mode="before")
    @classmethod
    def _has_its_three_fields(cls, values: object) -> object:
        if not isinstance(values, dict) or set(values) != set(cls.model_fields):
            raise ValueError(f"must have input, output and currency, for instance {_EXAMPLE}")
        return values

    def token_price(self) -> TokenPrice:
        """The price as drafts carry it."""
        return TokenPrice(self.input, self.output, self.currency)
