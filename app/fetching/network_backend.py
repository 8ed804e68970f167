"""Network backend of httpcore that connects only to permitted addresses.

The only place where a fetch opens a connection. Addresses are checked at the moment of connecting,
and the checked address is the one connected to. A check before the request could be evaded by a
name that resolves differently later (DNS rebinding); a check after connecting would let callers
scan ports.
"""

import asyncio
import errno
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from itertools import chain, zip_longest

import httpcore

from app.errors import Overloaded
from app.fetching.address_policy import (
    Address,
    AddressPolicy,
    check_address,
    check_host_name,
    is_own_address,
    is_own_name,
)
from app.fetching.errors import ImageUnreachable, ImageUrlForbidden, NameNotResolved
from app.fetching.resolver import Resolver
from app.imaging.errors import ImageTooLarge
from app.runtime.header_filter import HeadTooLong
from app.runtime.receive_guard import BodyTooLong, ReceiveGuard

CONNECT_TIMEOUT_S = 5.0
"""For all addresses of a host together. The farthest server answers in 0.3 s."""
_MAX_ADDRESSES = 4
"""Addresses that are tried, so that each gets at least a second."""

_BODY_READ_BYTES = 256 * 1024
"""httpcore asks for 64 KiB at a time; asyncio has up to this much in its buffer."""

_TLS_FAILED = (
    "No safe connection to the image's server: its TLS certificate is expired, is for another "
    "name or is not trusted, or it does not speak TLS. Try again when that is corrected."
)
_NOT_HTTP = "The image's server gave an answer that is not valid HTTP. Try again later."


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a host, checks all of its addresses, and connects to one of them.

    One forbidden address refuses the host. Otherwise an attacker adds a public record to a private
    name and tries until the private one is chosen.
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
        """Connect. Raises ImageUrlForbidden before any packet, ImageUnreachable, or Overloaded."""
        addresses = await self._permitted_addresses(host, port)
        timeout_s = min(self._connect_timeout_s, timeout or self._connect_timeout_s)
        ends_at_s = asyncio.get_running_loop().time() + timeout_s
        tried = _interleave_families(addresses)[:_MAX_ADDRESSES]
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
                if _is_out_of_descriptors(error):
                    raise Overloaded(log_reason="no file descriptor is free") from None
                reasons.append(f"{address} port {port}: {type(error).__name__} {error}".strip())
            else:
                return BoundedStream(stream)
        raise ImageUnreachable(log_reason="; ".join(reasons))

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - httpcore's signature
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Raises ImageUrlForbidden: no image URL means a socket in the file system."""
        raise ImageUrlForbidden(log_reason="unix socket")

    async def sleep(self, seconds: float) -> None:
        """Wait between retries; the pool makes none."""
        await asyncio.sleep(seconds)

    async def _permitted_addresses(self, host: str, port: int) -> list[Address]:
        """All addresses of the host. Raises ImageUrlForbidden where one is not permitted."""
        try:
            addresses: tuple[Address, ...] = (ip_address(host),)
        except ValueError:
            addresses = await self._resolve(host, port)
        for address in addresses:
            reason = check_address(address, port, self._policy)
            if reason:
                raise ImageUrlForbidden(log_reason=reason, is_own_network=is_own_address(address))
        return list(addresses)

    async def _resolve(self, name: str, port: int) -> tuple[Address, ...]:
        if not self._policy.may_allow_port(port):
            raise ImageUrlForbidden(log_reason=f"port {port} is not allowed")
        reason = check_host_name(name, self._policy)
        if reason:
            raise ImageUrlForbidden(log_reason=reason, is_own_network=is_own_name(name))
        try:
            return await self._resolver.resolve(name)
        except NameNotResolved as error:
            raise ImageUnreachable(log_reason=str(error)) from None


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection whose received bytes pass a ReceiveGuard."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._guard = ReceiveGuard(_BODY_READ_BYTES)

    def begin_body(self, max_bytes: int) -> None:
        """The head is complete: from here on `max_bytes` may arrive, framing included."""
        self._guard.begin_body(max_bytes)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises ImageUnreachable for an endless head, ImageTooLarge for an endless body."""
        passed = None
        while passed is None:
            read_bytes = self._guard.bytes_to_read(max_bytes)
            data = await self._stream.read(read_bytes, timeout)
            try:
                passed = self._guard.receive(data, read_bytes)
            except HeadTooLong as error:
                raise ImageUnreachable(_NOT_HTTP, log_reason=str(error)) from None
            except BodyTooLong as error:
                raise ImageTooLarge(log_reason=str(error)) from None
        return passed

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send a part of a request. The next bytes received are a head."""
        self._guard.begin_head()
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
        """Start TLS and verify the certificate for the URL's host. Raises ImageUnreachable."""
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError, ValueError) as error:
            await self.aclose()
            raise ImageUnreachable(_TLS_FAILED, log_reason=f"TLS: {error}") from None
        except BaseException:
            # httpcore 1.0.9 leaves the socket open where a handshake is cancelled.
            await self.aclose()
            raise
        return BoundedStream(stream)

    def get_extra_info(self, info: str) -> object:
        """What httpcore asks of a connection.

        It asks for `is_readable` before it reuses a connection, and closes it where that is true:
        where anything arrived after the response (in the socket, in what was read from it, or in
        TLS), and where a header line was malformed.
        """
        if info == "is_readable" and (self._guard.must_not_reuse or self._has_more_in_tls()):
            return True
        return self._stream.get_extra_info(info)

    def _has_more_in_tls(self) -> bool:
        tls = self._stream.get_extra_info("ssl_object")
        if not isinstance(tls, ssl.SSLObject):
            return False
        try:
            tls.read(1)  # a byte or the end: either way the connection must not be reused
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            return True
        return True


def _interleave_families(addresses: list[Address]) -> list[Address]:
    """IPv6 and IPv4 alternating (RFC 8305, 4): broken IPv6 must not take all of the time."""
    first = [a for a in addresses if a.version == addresses[0].version]
    second = [a for a in addresses if a.version != addresses[0].version]
    return [a for a in chain.from_iterable(zip_longest(first, second)) if a is not None]


def _is_out_of_descriptors(error: BaseException | None) -> bool:
    """Whether this process has no file descriptor left, which is not the origin's failure."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__
    return False
