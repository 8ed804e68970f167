"""The usage of one key in one month, as callers and operators read it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Self

from app.token_use import TokenPrice
from app.usage.months import Month
from app.usage.store import CAPTION_FIELD, DECORATIVE_FIELD, REQUESTS_FIELD, KeyMonth

_MILLION = 1_000_000
_CAPTIONS = "captions "
_PRICE_PARTS = 5


def price_field(price: TokenPrice, direction: str) -> str:
    """The field of tokens that cost this price: `price USD 0.15 0.6 input`.

    Tokens are counted by price and not as money, so that sums are exact, and replicas with
    different prices each count with theirs.
    """
    return f"price {price.currency} {_plain(price.input)} {_plain(price.output)} {direction}"


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Counts of one key in one month. None of them is an estimate."""

    key_name: str
    month: Month
    requests: int
    captions: Mapping[str, int]
    """By outcome: `caption`, `decorative`, the code of a problem, `client_gone`."""
    input_tokens: int
    output_tokens: int
    costs: Mapping[str, Decimal]
    """By currency; empty where no tokens with a price were used."""
    unknown_tokens: int
    """Captions with a draft whose tokens are not known, and so in no sum."""
    unknown_cost: int
    """Captions with a draft whose cost is not known, because its tokens or its price are not."""

    @classmethod
    def of(cls, key_month: KeyMonth, counts: Mapping[str, int]) -> Self:
        """The report of these counts."""
        outcomes = {
            name.removeprefix(_CAPTIONS): count
            for name, count in sorted(counts.items())
            if name.startswith(_CAPTIONS)
        }
        return cls(
            key_name=key_month.key_name,
            month=key_month.month,
            requests=counts.get(REQUESTS_FIELD, 0),
            captions=outcomes,
            input_tokens=counts.get("input_tokens", 0),
            output_tokens=counts.get("output_tokens", 0),
            costs=_costs(counts),
            unknown_tokens=counts.get("unknown_tokens", 0),
            unknown_cost=counts.get("unknown_cost", 0),
        )

    @property
    def delivered(self) -> int:
        """Captions that were delivered: what counts against a quota."""
        return sum(
            self.captions.get(field.removeprefix(_CAPTIONS), 0)
            for field in (CAPTION_FIELD, DECORATIVE_FIELD)
        )


def _costs(counts: Mapping[str, int]) -> Mapping[str, Decimal]:
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for field, count in counts.items():
        parts = field.split(" ")
        if parts[0] == "price" and len(parts) == _PRICE_PARTS:
            _, currency, input_price, output_price, direction = parts
            try:
                price = Decimal(input_price if direction == "input" else output_price)
            except InvalidOperation:
                continue  # a field that somebody else wrote
            costs[currency] += price * count / _MILLION
    return {currency: costs[currency].normalize() for currency in sorted(costs)}


def _plain(number: Decimal) -> str:
    """The shortest notation, equal for equal numbers."""
    return f"{number.normalize():f}"
