"""The usage store in memory keeps thirteen months."""

from app.usage.memory_store import MemoryUsageStore
from app.usage.months import Month
from app.usage.store import KeyMonth


async def test_old_months_are_forgotten() -> None:
    store = MemoryUsageStore()
    for year in (2025, 2026):
        for number in range(1, 13):
            await store.add(KeyMonth("shop", Month(year, number)), {"requests": 1})
    assert await store.list_keys(Month(2025, 11)) == []
    assert await store.list_keys(Month(2025, 12)) == ["shop"]
