"""Usage meter: counts what each key uses, and keeps it within its quota."""

from collections.abc import Callable, Mapping

from app.errors import Overloaded
from app.usage.errors import QuotaExceeded, UsageUnavailable
from app.usage.months import Month
from app.usage.report import UsageReport
from app.usage.request_usage import RequestUsage
from app.usage.store import KeyMonth, QuotaState, UsageStore

_AWAY_RETRY_S = 5.0
_HELD_RETRY_S = 2.0
"""Requests in work hold the rest of the quota, and may give it back."""

ObserveUsage = Callable[[str, Mapping[str, int]], None]
"""Called with the key's name and what one request counted."""


class UsageMeter:
    """Counts requests of keys by month, and reserves captions of quotas."""

    def __init__(self, store: UsageStore, observe: ObserveUsage | None = None) -> None:
        """`observe` is told every request that is counted."""
        self._store = store
        self._observe = observe or (lambda _key_name, _counts: None)

    def begin(self, *, makes_captions: bool) -> RequestUsage:
        """The usage of a request that arrives now."""
        return RequestUsage(self.current_month(), makes_captions=makes_captions)

    def current_month(self) -> Month:
        """The month by the store's clock."""
        return Month.at(self._store.now_s())

    async def begin_work(self, usage: RequestUsage, quota: int | None, captions: int) -> None:
        """Reserve captions of the key's quota, before anything is fetched.

        Raises QuotaExceeded, and Overloaded where the store is away: no quota is open then.
        """
        usage.begin_work()
        if quota is None or usage.key_name is None:
            return
        state = await self._reserve(usage, quota, captions)
        month = self.current_month()
        if month != usage.month:
            # The store's clock says so: ours was another, or a month has just begun.
            self._store.add_later(KeyMonth(usage.key_name, usage.month), {}, state.reservation)
            usage.month = month
            state = await self._reserve(usage, quota, captions)
        if state.reservation is None:
            raise self._quota_exceeded(usage.month, quota, captions, state)
        usage.reservation = state.reservation

    async def require_quota(self, usage: RequestUsage, quota: int | None) -> None:
        """Refuse a used-up quota before a file is received. `begin_work` says what is left.

        Raises QuotaExceeded, and Overloaded where the store is away.
        """
        if quota is None or usage.key_name is None:
            return
        try:
            report = await self.report(usage.key_name)
        except UsageUnavailable:
            raise _store_is_away() from None
        if report.delivered >= quota and report.month == self.current_month():
            state = QuotaState(None, used=report.delivered, held=0)
            raise self._quota_exceeded(report.month, quota, 1, state)

    async def count(self, usage: RequestUsage) -> None:
        """Count the request once. What it reserved and did not deliver is free again."""
        if (key_month := self._settle(usage)) is not None:
            await self._store.add(key_month, usage.counts(), usage.reservation)

    def count_later(self, usage: RequestUsage) -> None:
        """As `count`, without waiting until it is stored."""
        if (key_month := self._settle(usage)) is not None:
            self._store.add_later(key_month, usage.counts(), usage.reservation)

    async def report(self, key_name: str, month: Month | None = None) -> UsageReport:
        """The usage of a key in the current month, or another. Raises UsageUnavailable."""
        key_month = KeyMonth(key_name, month or self.current_month())
        return UsageReport.of(key_month, await self._store.read(key_month))

    async def list_keys(self, month: Month) -> list[str]:
        """The names of all keys with usage in a month. Raises UsageUnavailable."""
        return await self._store.list_keys(month)

    async def _reserve(self, usage: RequestUsage, quota: int, captions: int) -> QuotaState:
        assert usage.key_name is not None  # noqa: S101 - begin_work has looked
        try:
            return await self._store.reserve(KeyMonth(usage.key_name, usage.month), quota, captions)
        except UsageUnavailable:
            raise _store_is_away() from None

    def _settle(self, usage: RequestUsage) -> KeyMonth | None:
        if usage.is_counted or usage.key_name is None:
            return None
        usage.is_counted = True
        self._observe(usage.key_name, usage.counts())
        return KeyMonth(usage.key_name, usage.month)

    def _quota_exceeded(
        self, month: Month, quota: int, captions: int, state: QuotaState
    ) -> QuotaExceeded:
        until_next_s = month.end.timestamp() - self._store.now_s()
        if state.used + captions <= quota:
            detail = "Requests in work hold the rest of this key's quota. Try again in a moment."
            return QuotaExceeded(detail, retry_after_s=min(_HELD_RETRY_S, until_next_s))
        left = max(0, quota - state.used)
        detail = f"This key's quota of {quota:,} captions a month is used up until {month.end:%F}."
        if left:
            detail = (
                f"{left:,} of {quota:,} captions are left until {month.end:%F}, and this request "
                f"asks for {captions}. Ask for fewer."
            )
        return QuotaExceeded(detail, retry_after_s=until_next_s)


def _store_is_away() -> Overloaded:
    return Overloaded(
        "This key has a quota, and usage cannot be counted at the moment. Try again after the time "
        "in Retry-After.",
        log_reason="usage store does not respond",
        retry_after_s=_AWAY_RETRY_S,
    )
