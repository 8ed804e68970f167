"""Opens connections, to judged addresses only: the one place that dials for a fetch.

An address is judged at the moment of dialling, and the number that was judged is dialled. A
check before the request would lose to a name that changes its mind (DNS rebinding); a check
after the connection is a port scanner in strangers' hands.
"""

import asyncio
import errno
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from itertools import chain, zip_longest

import httpcore

from app.errors import Overloaded
from app.fetching.address_policy import Address, AddressPolicy, check_address, check_host_name
from app.fetching.errors import ImageUnreachable, ImageUrlForbidden, NameNotResolved
from app.fetching.resolver import Resolver
from app.imaging.errors import ImageTooLarge

CONNECT_TIMEOUT_S = 5.0
"""For all addresses of a host together; the other side of the world answers in 0.3 s."""
_MAX_DIALLED = 4
"""Addresses that are tried, so that each gets a second at least."""
HEAD_MAX_BYTES = 256 * 1024
"""Before the answer's head is complete, interim answers (103) included. Browsers allow as much."""

_HEAD_READ_BYTES = 8 * 1024
"""Most heads come whole in one. 64 KiB of interim answers take a tenth of a second to parse, and
nobody else is served in it; between two reads everybody is."""
_BODY_READ_BYTES = 256 * 1024


_TLS_FAILED = (
    "No safe connection to the image's server: its TLS certificate is expired, is for another "
    "name or is not trusted, or it does not speak TLS. Try again when it is mended."
)
_NOT_HTTP = "The image's server gave an answer that is not valid HTTP. Try again later."


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, judges every record, and dials what was judged.

    One bad record refuses the name: else an attacker adds a public one and tries again.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        resolver: Resolver,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._connect_timeout_s = connect_timeout_s
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises ImageUrlForbidden, before any packet, ImageUnreachable, or Overloaded."""
        addresses = await self._judged(host, port)
        budget_s = min(self._connect_timeout_s, timeout or self._connect_timeout_s)
        ends_at_s = asyncio.get_running_loop().time() + budget_s
        tried = _alternate(addresses)[:_MAX_DIALLED]
        reasons = []
        for index, address in enumerate(tried):
            left_s = ends_at_s - asyncio.get_running_loop().time()
            try:
                stream = await self._sockets.connect_tcp(
                    str(address),
                    port,
                    timeout=max(0.0, left_s) / (len(tried) - index),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                if _out_of_descriptors(error):
                    raise Overloaded(log_reason="no file descriptor is free") from None
                reasons.append(f"{address} port {port}: {type(error).__name__} {error}".strip())
            else:
                return GuardedStream(stream)
        raise ImageUnreachable(log_reason="; ".join(reasons))

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - httpcore's signature
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Raises ImageUrlForbidden: no URL leads to a socket in the file system."""
        raise ImageUrlForbidden(log_reason="unix socket")

    async def sleep(self, seconds: float) -> None:
        """Wait between retries, of which the pool makes none."""
        await asyncio.sleep(seconds)

    async def _judged(self, host: str, port: int) -> list[Address]:
        """The host's addresses, every one of which may be dialled on this port."""
        try:
            addresses: tuple[Address, ...] = (ip_address(host),)
        except ValueError:
            addresses = await self._resolved(host, port)
        for address in addresses:
            verdict = check_address(address, port, self._policy)
            if verdict:
                raise ImageUrlForbidden(log_reason=verdict.reason)
        return list(addresses)

    async def _resolved(self, name: str, port: int) -> tuple[Address, ...]:
        if not self._policy.could_open(port):
            raise ImageUrlForbidden(log_reason=f"port {port} is not allowed")
        verdict = check_host_name(name, self._policy)
        if verdict:
            raise ImageUrlForbidden(log_reason=verdict.reason)
        try:
            return await self._resolver.resolve(name)
        except NameNotResolved as error:
            raise ImageUnreachable(log_reason=str(error)) from None


class GuardedStream(httpcore.AsyncNetworkStream):
    """A connection that counts what arrives, framing included.

    A head that never ends, a flood of interim answers and chunks of one byte cost wire bytes
    that no count of the body sees.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = HEAD_MAX_BYTES
        self._in_body = False
        self._was_full = False

    def head_done(self, body_max_bytes: int) -> None:
        """The head is complete: from here on `body_max_bytes` may arrive, framing included."""
        self._left = body_max_bytes
        self._in_body = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises ImageUnreachable where the head does not end, ImageTooLarge in the body."""
        # httpcore asks for 64 KiB at a time, and a picture has several times that; asyncio has as
        # much as this in hand anyway.
        most = (
            max(max_bytes, _BODY_READ_BYTES) if self._in_body else min(max_bytes, _HEAD_READ_BYTES)
        )
        data = await self._stream.read(most, timeout)
        self._was_full = len(data) >= most
        self._left -= len(data)
        if self._left >= 0:
            return data
        if self._in_body:
            raise ImageTooLarge(log_reason="too many bytes on the wire for the body")
        raise ImageUnreachable(_NOT_HTTP, log_reason=f"no head within {HEAD_MAX_BYTES} bytes")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a part of a request; what arrives next is a head."""
        self._left = HEAD_MAX_BYTES
        self._in_body = False
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS, verified for the URL's own host. Raises ImageUnreachable."""
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError, ValueError) as error:
            await self.aclose()
            raise ImageUnreachable(_TLS_FAILED, log_reason=f"TLS: {error}") from None
        except BaseException:
            # httpcore 1.0.9 leaves the socket open where a handshake is cancelled.
            await self.aclose()
            raise
        return GuardedStream(stream)

    def get_extra_info(self, info: str) -> object:
        """What the connection knows of itself.

        `is_readable` is asked before a connection is used again, and must be true where anything
        came behind the answer: in the socket, in what was read from it, or in TLS.
        """
        if info == "is_readable" and (self._was_full or self._has_more_in_tls()):
            return True
        return self._stream.get_extra_info(info)

    def _has_more_in_tls(self) -> bool:
        tls = self._stream.get_extra_info("ssl_object")
        if not isinstance(tls, ssl.SSLObject):
            return False
        try:
            tls.read(1)  # a byte, or the end: there is no next answer on this connection
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            return True
        return True


def _alternate(addresses: list[Address]) -> list[Address]:
    """IPv6 and IPv4 in turn, in DNS's order: a broken IPv6 must not use up the time alone."""
    first = [a for a in addresses if a.version == addresses[0].version]
    second = [a for a in addresses if a.version != addresses[0].version]
    return [a for a in chain.from_iterable(zip_longest(first, second)) if a is not None]


def _out_of_descriptors(error: BaseException | None) -> bool:
    """Whether the failure is this process's own: then the origin must not be blamed."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__
    return False
