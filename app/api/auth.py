"""Who calls, and whether that caller may now."""

from starlette.requests import Request
from starlette.responses import Response

from app.api.errors import RateLimited, Unauthorized
from app.api.keys import Caller, KeyStore
from app.api.rate_limits import CallerRateLimits, caller_of_address


class Authenticator:
    """The key first, then the limit; both before a byte of the body is read."""

    def __init__(self, keys: KeyStore, limits: CallerRateLimits) -> None:
        self._keys = keys
        self._limits = limits

    def identify(self, request: Request) -> Caller:
        """The caller by its key, or by its address where no key is configured.

        Raises Unauthorized.
        """
        if self._keys.is_open:
            return Caller(caller_of_address(request.client.host if request.client else "unknown"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        caller = self._keys.find(token.strip() if scheme.lower() == "bearer" else None)
        if caller is None:
            # Who guesses keys is for the operator's log alone.
            host = request.client.host if request.client else "unknown"
            raise Unauthorized(log_reason=f"no valid key from {host}")
        return caller

    async def admit(self, request: Request, response: Response) -> Caller:
        """The caller, one request counted. Raises Unauthorized or RateLimited."""
        caller = self.identify(request)
        allowance = await self._limits.hit(caller.name, caller.limit)
        headers = allowance.headers()
        response.headers.update(headers)
        request.state.rate_limit_headers = headers
        request.state.log = {"caller": caller.name}
        if not allowance.allowed:
            raise RateLimited(retry_after_s=allowance.reset_s)
        return caller
