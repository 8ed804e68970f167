"""Progress of one fetch: its timer, its byte lease, and what a timeout means at each point."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import CaptionError, Overloaded
from app.fetching.byte_lease import ByteLease
from app.fetching.errors import ImageTimeout, ImageUnreachable
from app.fetching.urls import ImageUrl

_NO_ROOM_RETRY_AFTER_S = 5.0
"""Room for a large image is free when another one is done, within seconds."""


@dataclass(slots=True)
class FetchProgress:
    """How far one fetch has come. Times are those of the event loop's clock."""

    timer: asyncio.Timeout
    deadline_s: float
    """The request's own deadline."""
    lease: ByteLease
    loggable_url: str = ""
    host: str = ""
    """Of the last URL; empty for a data: URL."""
    redirects: int = 0
    visited: set[ImageUrl] = field(default_factory=set)
    opened_connection: bool = False
    """Whether the current request opened a connection instead of reusing one."""
    is_connected: bool = False
    is_waiting_for_room: bool = False

    async def trace(self, event: str, _: Mapping[str, object]) -> None:
        """httpcore's `trace` extension: tells connecting from waiting for a response."""
        if event == "connection.connect_tcp.started":
            self.opened_connection, self.is_connected = True, False
        elif event in ("connection.connect_tcp.complete", "http11.send_request_headers.started"):
            self.is_connected = True

    def begin_download(self, timeout_s: float) -> None:
        """Limit the download to `timeout_s` from now."""
        self._end_at(asyncio.get_running_loop().time() + timeout_s)

    async def lease_bytes(self, size_bytes: int) -> None:
        """Lease `size_bytes`. The time that this waits does not count as download time."""
        if self.lease.covers(size_bytes):
            return
        loop = asyncio.get_running_loop()
        began_s, ends_at_s = loop.time(), self.timer.when()
        self.is_waiting_for_room = True
        self.timer.reschedule(self.deadline_s)
        await self.lease.grow_to(size_bytes)
        self.is_waiting_for_room = False
        if ends_at_s is not None:
            self._end_at(ends_at_s + loop.time() - began_s)

    def timeout_error(self) -> CaptionError:
        """The error for a timer that ends the fetch now."""
        if self.is_waiting_for_room:
            return Overloaded(
                log_reason="no room for the image's bytes", retry_after_s=_NO_ROOM_RETRY_AFTER_S
            )
        if self.is_connected:
            return ImageTimeout(log_reason="too slow")
        if asyncio.get_running_loop().time() >= self.deadline_s:
            return ImageTimeout(log_reason="request's deadline")
        return ImageUnreachable(log_reason="not connected in time")

    def _end_at(self, ends_at_s: float) -> None:
        self.timer.reschedule(min(ends_at_s, self.deadline_s))
