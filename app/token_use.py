"""Tokens that drafts took, and what a model's tokens cost."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """What a million tokens of a model cost."""

    input: Decimal
    output: Decimal
    currency: str
    """ISO 4217, for instance USD."""


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Tokens of one draft as the model's server counted them; None where it did not say."""

    input_tokens: int | None
    output_tokens: int | None
    price: TokenPrice | None = None
    """None where the operator named none for the model that wrote the draft."""


UNKNOWN_TOKEN_USE = TokenUse(None, None)
"""Of a call to a model that ended without a count."""
