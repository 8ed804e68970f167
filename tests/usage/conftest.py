"""A Redis that runs is not taken for a late one because the machine is busy."""

import pytest

from app.usage import redis_store


@pytest.fixture(autouse=True)
def patient_stores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores wait long for Redis, but in tests that measure how long."""
    if request.node.get_closest_marker("measures") is None:
        monkeypatch.setattr(redis_store, "_QUOTA_PATIENCE_S", 10.0)
        monkeypatch.setattr(redis_store, "_COUNT_PATIENCE_S", 10.0)
        monkeypatch.setattr(redis_store, "_SOCKET_TIMEOUT_S", 10.0)
