"""The protocol of a usage store: counts by key and month, and reserved captions of quotas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.usage.months import Month

REQUESTS_FIELD = "requests"
"""The field that every request counts in."""
CAPTION_FIELD, DECORATIVE_FIELD = "captions caption", "captions decorative"
"""The fields that count against a quota: captions that were delivered."""


@dataclass(frozen=True, slots=True)
class KeyMonth:
    """What is counted together: the usage of one key in one month."""

    key_name: str
    month: Month


@dataclass(frozen=True, slots=True)
class Reservation:
    """Captions of a quota that a request may deliver, held until the request is counted."""

    id: str
    amount: int


@dataclass(frozen=True, slots=True)
class QuotaState:
    """The answer to a reservation: what of the quota is used, and by requests in work."""

    reservation: Reservation | None
    """None where there were not enough left."""
    used: int
    """Captions delivered in this month."""
    held: int
    """Captions reserved by other requests in work."""


class UsageStore(Protocol):
    """Counts usage. Every count only grows."""

    def now_s(self) -> float:
        """Seconds since 1970, by the clock that decides which month it is."""
        ...

    async def add(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """Add to the counts, and end the reservation. Returns at once where the store is away."""
        ...

    def add_later(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """As `add`, without waiting until it is stored."""
        ...

    async def reserve(self, key_month: KeyMonth, limit: int, amount: int) -> QuotaState:
        """Hold `amount` captions where delivered and held ones leave room for them under `limit`.

        Raises UsageUnavailable.
        """
        ...

    async def read(self, key_month: KeyMonth) -> Mapping[str, int]:
        """The counts so far, over all servers. Raises UsageUnavailable."""
        ...

    async def list_keys(self, month: Month) -> list[str]:
        """The names of the keys that were used in a month. Raises UsageUnavailable."""
        ...

    async def aclose(self) -> None:
        """Store what is not stored yet, and close the connections."""
        ...
