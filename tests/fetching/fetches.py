"""Fetches of tests: a fetcher that may connect to loopback, and what one fetch comes to."""

import ssl
from typing import Any

import pytest

from app.errors import CaptionError
from app.fetching.fetcher import Fetcher
from app.fetching.resolver import Resolver
from app.fetching.settings import FetchSettings
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.types import SourceImage

TIMEOUT_S = 10.0
"""Longer than any fetch of a test needs that is not about time."""


def make_fetcher(
    semaphore: WeightedSemaphore | None = None,
    *,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
    **settings: Any,
) -> Fetcher:
    values = {"allowed_networks": ["127.0.0.0/8"], "timeout_s": TIMEOUT_S} | settings
    return Fetcher(
        FetchSettings(**values),
        semaphore or WeightedSemaphore(1 << 28),
        resolver=resolver,
        ssl_context=tls,
    )


async def fetch(url: str, fetcher: Fetcher | None = None, within_s: float = 60.0) -> SourceImage:
    """Fetch, and close the fetcher where it is not the test's own."""
    used = fetcher or make_fetcher()
    try:
        async with used.fetch(url, Deadline.after(within_s)) as source:
            return source
    finally:
        if fetcher is None:
            await used.aclose()


async def fail(url: str, fetcher: Fetcher | None = None, within_s: float = 60.0) -> CaptionError:
    """The error of a fetch. It leaves no connection and no leased bytes, and closes the fetcher."""
    used = fetcher or make_fetcher()
    try:
        with pytest.raises(CaptionError) as caught:
            await fetch(url, used, within_s)
        assert used._semaphore.used == 0
        assert used.transport.open_connections == 0
    finally:
        await used.aclose()
    return caught.value
