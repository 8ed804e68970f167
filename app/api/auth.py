"""Authentication of callers, by API key or by address, and their rate limit."""

import ipaddress

from starlette.requests import Request
from starlette.responses import Response

from app.api.errors import RateLimited, Unauthorized
from app.api.keys import Caller, KeyStore
from app.api.rate_limits import CallerRateLimits
from app.telemetry.request_context import set_log_fields
from app.usage.request_usage import RequestUsage


class Authenticator:
    """Checks the key first, then the rate limit, both before the body is read."""

    def __init__(self, keys: KeyStore, rate_limits: CallerRateLimits) -> None:
        self._keys = keys
        self._rate_limits = rate_limits

    def authenticate(self, request: Request) -> Caller:
        """The caller by its key, or by its address where no key is configured.

        Raises Unauthorized.
        """
        host = request.client.host if request.client else "unknown"
        if self._keys.allows_anonymous:
            caller = Caller(caller_name_of_address(host), is_anonymous=True)
            set_log_fields(caller=caller.name)
            return caller
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        found = self._keys.find_caller(key.strip() if scheme.lower() == "bearer" else None)
        if found is None:
            # The address is for the operator's log only.
            raise Unauthorized(log_reason=f"no valid key from {host}")
        set_log_fields(caller=found.name)
        return found

    @property
    def needs_key(self) -> bool:
        """Whether callers need a key."""
        return not self._keys.allows_anonymous

    def is_on_this_machine(self, request: Request) -> bool:
        """Whether the caller is on this machine and needs no key, so that it may be the operator.

        What came through a proxy is from elsewhere.
        """
        forwarded = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
        host = request.client.host if request.client else ""
        return self._keys.allows_anonymous and not forwarded and _is_loopback(host)

    async def authenticate_and_count(self, request: Request, response: Response) -> Caller:
        """The caller, with one request counted against its rate limit.

        `response` gets the rate-limit headers, where there is a limit. Raises Unauthorized or
        RateLimited.
        """
        caller = self.authenticate(request)
        if (usage := request_usage(request)) is not None:
            usage.key_name = caller.usage_name
        window = await self._rate_limits.count_request(caller.name, caller.rate_limit)
        if window is None:
            return caller
        headers = window.headers()
        response.headers.update(headers)
        request.state.rate_limit_headers = headers
        if not window.is_allowed:
            raise RateLimited(retry_after_s=window.reset_s)
        return caller


def request_usage(request: Request) -> RequestUsage | None:
    """What this request will be counted as; None on paths that are not counted."""
    usage: RequestUsage | None = getattr(request.state, "usage", None)
    return usage


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def caller_name_of_address(host: str) -> str:
    """The name of a caller without a key: its IPv4 address, or its IPv6 network of 64 bits.

    A customer usually gets a whole /64 network, so a limit per IPv6 address would limit nothing.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address:{host}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"address:{address.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"
