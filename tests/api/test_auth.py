"""Callers are identified by key, or by address where no key is configured."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.api.auth import Authenticator, caller_name_of_address
from app.api.errors import RateLimited, Unauthorized
from app.api.keys import KeyStore
from app.api.rate_limits import CallerRateLimits
from app.telemetry.request_context import RequestContext, work_for


def create_authenticator(*keys: str, limit: str = "60/minute") -> Authenticator:
    return Authenticator(KeyStore(keys, None), CallerRateLimits(limit, "memory://"))


def create_request(authorization: str | None = None) -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "headers": headers, "client": ("192.0.2.1", 1), "state": {}})


def test_an_ipv6_caller_is_its_network() -> None:
    assert caller_name_of_address("2001:db8:1:2::1") == caller_name_of_address(
        "2001:db8:1:2:ffff::9"
    )
    assert caller_name_of_address("2001:db8:1:2::1") != caller_name_of_address("2001:db8:1:3::1")
    assert caller_name_of_address("::ffff:192.0.2.1") == caller_name_of_address("192.0.2.1")


def test_without_keys_the_caller_is_its_address() -> None:
    caller = create_authenticator().authenticate(create_request())
    assert caller.name == "address:192.0.2.1"


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic right", "right"])
def test_a_missing_or_wrong_key_is_unauthorized(authorization: str | None) -> None:
    authenticator = create_authenticator("right")
    assert authenticator.authenticate(create_request("bearer right")).name == "key-1"
    with pytest.raises(Unauthorized) as raised:
        authenticator.authenticate(create_request(authorization))
    assert "192.0.2.1" in raised.value.log_reason
    assert "192.0.2.1" not in raised.value.detail


async def test_a_refused_key_does_not_count_and_an_accepted_one_does() -> None:
    authenticator = create_authenticator("right", limit="1/minute")
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate_and_count(create_request("Bearer wrong"), Response())
    request, response, context = create_request("Bearer right"), Response(), RequestContext("r-1")
    with work_for(context):
        assert (await authenticator.authenticate_and_count(request, response)).name == "key-1"
    assert response.headers["x-ratelimit-remaining"] == "0"
    assert context.last_fields() == {"caller": "key-1"}
    with pytest.raises(RateLimited):
        await authenticator.authenticate_and_count(create_request("Bearer right"), Response())


@pytest.mark.parametrize(
    ("keys", "host", "headers", "is_on_this_machine"),
    [
        ((), "127.0.0.1", [], True),
        ((), "::1", [], True),
        ((), "192.0.2.1", [], False),
        ((), "unknown", [], False),
        ((), "127.0.0.1", [(b"x-forwarded-for", b"203.0.113.7")], False),
        (("right",), "127.0.0.1", [], False),
    ],
)
def test_only_a_caller_on_this_machine_without_a_key_may_be_the_operator(
    keys: tuple[str, ...], host: str, headers: list[tuple[bytes, bytes]], is_on_this_machine: bool
) -> None:
    """A proxy on this machine speaks for callers from elsewhere."""
    request = Request({"type": "http", "headers": headers, "client": (host, 1), "state": {}})
    assert create_authenticator(*keys).is_on_this_machine(request) is is_on_this_machine
