"""Parts that use one Redis tell each other that it is late."""

import time

import pytest

from app.parts import open_parts
from app.runtime.store_guard import PATIENCE_S
from app.settings.settings import Settings
from app.telemetry.metrics import Metrics
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.store import KeyMonth
from testing.servers.redis import RedisServer

pytestmark = pytest.mark.measures


@pytest.mark.parametrize("usage_database", [None, 1], ids=["same", "other"])
async def test_a_request_that_waited_for_its_limit_does_not_wait_for_its_count(
    redis_server: RedisServer, usage_database: int | None
) -> None:
    settings = Settings(
        rate_limit="100/minute",
        rate_limit_store=redis_server.url,
        usage_store=None
        if usage_database is None
        else f"redis://127.0.0.1:{redis_server.port}/{usage_database}",
    )
    async with open_parts(settings, Metrics()) as parts:
        assert isinstance(parts.usage_store, RedisUsageStore)
        await parts.usage_store.check()
        await parts.rate_limits.count_request("shop")
        redis_server.pause()
        try:
            began_s = time.monotonic()
            await parts.rate_limits.count_request("shop")
            await parts.usage_store.add(KeyMonth("shop", Month(2026, 11)), {"requests": 1})
            waits = (time.monotonic() - began_s) / PATIENCE_S
        finally:
            redis_server.resume()
    assert round(waits) == (1 if usage_database is None else 2)
