"""Each request runs in the turns of its caller, from its first step on."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from app.api.auth import Authenticator
from app.api.fair_turns import FairTurnsMiddleware
from app.api.keys import KeyStore
from app.api.rate_limits import CallerRateLimits
from app.runtime import fair_loop

KEYS = ["key-of-anna-0123456789", "key-of-bela-0123456789"]


def services(keys: list[str]) -> Any:
    limits = CallerRateLimits("9/minute", "memory://")
    return SimpleNamespace(authenticator=Authenticator(KeyStore(keys, None), limits))


async def caller_of(keys: list[str], authorization: str | None, host: str) -> str | None:
    """The caller in whose turns the application runs."""
    found: list[str | None] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        found.append(fair_loop._caller.get())

    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    scope = {
        "type": "http", "headers": headers, "client": (host, 1),
        "state": {"services": services(keys)},
    }  # fmt: skip
    request: Any = FairTurnsMiddleware(app)(scope, None, None)  # type: ignore[arg-type]
    await asyncio.create_task(request)
    return found[0]


@pytest.mark.parametrize(
    ("keys", "authorization", "host", "expected"),
    [
        (KEYS, f"Bearer {KEYS[0]}", "192.0.2.1", "key-1"),
        (KEYS, f"Bearer {KEYS[1]}", "192.0.2.1", "key-2"),
        (KEYS, "Bearer a-wrong-one", "192.0.2.1", "address:192.0.2.1"),
        (KEYS, None, "192.0.2.1", "address:192.0.2.1"),
        ([], None, "192.0.2.1", "address:192.0.2.1"),
        ([], None, "2001:db8::1", "address:2001:db8::/64"),
    ],
)
async def test_a_request_belongs_to_its_key_and_without_a_valid_one_to_its_address(
    keys: list[str], authorization: str | None, host: str, expected: str
) -> None:
    assert await caller_of(keys, authorization, host) == expected


async def test_what_is_no_request_has_no_caller() -> None:
    """The lifespan of the application, for instance."""
    found: list[str | None] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        found.append(fair_loop._caller.get())

    request: Any = FairTurnsMiddleware(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    await asyncio.create_task(request)
    assert found == [None]
