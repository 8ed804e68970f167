"""A usage store in this process's memory: each process counts alone, and forgets at its end."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping

from app.usage.months import Month
from app.usage.store import (
    CAPTION_FIELD,
    DECORATIVE_FIELD,
    KeyMonth,
    QuotaState,
    Reservation,
    UsageStore,
)

_KEPT_MONTHS = 13


class MemoryUsageStore(UsageStore):
    """Counts of the last thirteen months."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` returns seconds since 1970."""
        self._clock = clock
        self._months: dict[Month, dict[str, Counter[str]]] = {}
        self._held: dict[KeyMonth, dict[str, int]] = {}
        """Captions by reservation."""
        self._numbers = itertools.count(1)

    def now_s(self) -> float:
        """As in UsageStore."""
        return self._clock()

    async def add(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """As in UsageStore."""
        self.add_later(key_month, counts, reservation)

    def add_later(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """As in UsageStore: it is stored at once."""
        keys = self._months.setdefault(key_month.month, {})
        keys.setdefault(key_month.key_name, Counter()).update(counts)
        if reservation is not None and (held := self._held.get(key_month)) is not None:
            held.pop(reservation.id, None)
            if not held:
                del self._held[key_month]
        if len(self._months) > _KEPT_MONTHS:
            del self._months[min(self._months)]

    async def reserve(self, key_month: KeyMonth, limit: int, amount: int) -> QuotaState:
        """As in UsageStore."""
        counts = await self.read(key_month)
        used = counts.get(CAPTION_FIELD, 0) + counts.get(DECORATIVE_FIELD, 0)
        held = sum(self._held.get(key_month, {}).values())
        if used + held + amount > limit:
            return QuotaState(None, used, held)
        reservation = Reservation(str(next(self._numbers)), amount)
        self._held.setdefault(key_month, {})[reservation.id] = amount
        return QuotaState(reservation, used, held)

    async def read(self, key_month: KeyMonth) -> Mapping[str, int]:
        """As in UsageStore."""
        return dict(self._months.get(key_month.month, {}).get(key_month.key_name, {}))

    async def list_keys(self, month: Month) -> list[str]:
        """As in UsageStore."""
        return sorted(self._months.get(month, {}))

    async def aclose(self) -> None:
        """As in UsageStore: there is nothing to close."""
