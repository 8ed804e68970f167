"""Brings the image behind a URL, from public places only and within every limit."""

import asyncio
import logging
import mmap
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

import httpx
from pydantic import BaseModel, BeforeValidator, Field

from app.errors import CaptionError, Overloaded
from app.fetching.address_policy import AddressPolicy, Network, parse_networks
from app.fetching.byte_lease import SMALL_BYTES, ByteLease
from app.fetching.errors import (
    ImageDenied,
    ImageNotFound,
    ImageTimeout,
    ImageUnreachable,
    ImageUrlForbidden,
)
from app.fetching.login_page import PAGE_BYTES, page_refusal
from app.fetching.network_backend import GuardedBackend, GuardedStream
from app.fetching.resolver import Resolver
from app.fetching.response_policy import (
    Head,
    check_head,
    crumbled_image,
    partial_image,
    redirect_of,
)
from app.fetching.transport import GuardedTransport
from app.fetching.urls import ImageUrl, parse
from app.imaging.data_url import is_data_url, max_decoded_bytes, read_data_url
from app.imaging.errors import ImageTooLarge, ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, is_html, sniff
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.types import SourceImage

# Every error of a fetch can be had from here; each lives beside its raiser.
__all__ = [
    "FetchSettings",
    "Fetcher",
    "ImageDenied",
    "ImageNotFound",
    "ImageTimeout",
    "ImageUnreachable",
    "ImageUrlForbidden",
]

_log = logging.getLogger(__name__)

_HEADERS = {
    "Accept": "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "identity",
    "User-Agent": "Altwright/0.1 (image captioning)",
}
_STALE_TRIES = 3
"""Kept-alive connections that may turn out closed, before a failure counts."""
_WIRE_SLACK_BYTES = 256 * 1024
_PIECES_FREE, _PIECE_BYTES = 4096, 512
"""Each piece takes some 50 us of the event loop, however small it is: past the first ones, which
are for small pictures, they must have a size. Servers write kilobytes at a time."""
_PIECES_A_TURN = 8
"""Of up to 256 KB each they are 2 MB and some 1.5 ms: others' requests go between."""
_ROOM_RETRY_AFTER_S = 5.0
"""Room for a large image comes free when another is done, within seconds."""


def _networks(value: object) -> object:
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        return value
    return parse_networks(tuple(value))


class FetchSettings(BaseModel, frozen=True, use_attribute_docstrings=True):
    """What a fetch may take and where it may go."""

    timeout_s: float = Field(10.0, gt=0, le=60)
    """Seconds for one download, DNS and redirects included."""
    max_bytes: int = Field(67_108_864, ge=1024, le=1 << 30)
    """Bytes of one image file."""
    max_redirects: int = Field(3, ge=0, le=20)
    """Redirects that are followed; each is judged like a URL of its own."""
    allowed_ports: Annotated[
        frozenset[Annotated[int, Field(ge=1, le=65535)]], Field(min_length=1)
    ] = frozenset({80, 443})
    """Ports that may be dialled on public addresses."""
    allowed_networks: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()
    """Networks of your own, as CIDRs, that callers may name. Every port is open there."""


@dataclass(slots=True)
class _Run:
    """How far one fetch has come, for the judgement of what ended it."""

    limit: asyncio.Timeout
    request_ends_at_s: float
    """By the loop's clock."""
    share: ByteLease
    place: str = ""
    redirects: int = 0
    dialled: bool = False
    """This hop opened a connection of its own."""
    connected: bool = False
    waits_for_room: bool = False
    seen: set[ImageUrl] = field(default_factory=set)

    async def trace(self, event: str, _: Mapping[str, object]) -> None:
        """httpcore's trace extension: tells dialling from waiting for an answer."""
        if event == "connection.connect_tcp.started":
            self.dialled, self.connected = True, False
        elif event in ("connection.connect_tcp.complete", "http11.send_request_headers.started"):
            self.connected = True

    async def room(self, size_bytes: int) -> None:
        """Hold `size_bytes` of the budget. The download's clock stands still meanwhile."""
        if self.share.covers(size_bytes):
            return
        loop = asyncio.get_running_loop()
        began_s, ends_at_s = loop.time(), self.limit.when()
        self.waits_for_room = True
        self.limit.reschedule(self.request_ends_at_s)
        await self.share.grow_to(size_bytes)
        self.waits_for_room = False
        if ends_at_s is not None:
            self.allow(ends_at_s + loop.time() - began_s)

    def allow(self, until_s: float) -> None:
        """Let the download run until then, and never past the request's own end."""
        self.limit.reschedule(min(until_s, self.request_ends_at_s))

    def timed_out(self) -> CaptionError:
        """What it means that the time is up now."""
        if self.waits_for_room:
            return Overloaded(
                log_reason="no room for the image's bytes", retry_after_s=_ROOM_RETRY_AFTER_S
            )
        request_ended = asyncio.get_running_loop().time() >= self.request_ends_at_s
        if self.connected or request_ended:
            return ImageTimeout(log_reason="too slow" if self.connected else "request's deadline")
        return ImageUnreachable(log_reason="not connected in time")


class Fetcher:
    """Downloads images for strangers. One for the process, used by many requests at once.

    `budget` counts the bytes in flight over all fetches, beyond what each may hold: see `Share`.
    """

    def __init__(
        self,
        settings: FetchSettings,
        budget: WeightedSemaphore,
        *,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._pace = BandwidthLimiter(settings.max_bytes)
        self._resolver = resolver or Resolver()
        policy = AddressPolicy(settings.allowed_ports, settings.allowed_networks)
        self.transport = GuardedTransport(GuardedBackend(policy, self._resolver), ssl_context)

    async def aclose(self) -> None:
        """Close every connection and leave every look-up."""
        await self.transport.aclose()
        await self._resolver.aclose()

    @asynccontextmanager
    async def fetch(self, image_url: str, deadline: Deadline) -> AsyncIterator[SourceImage]:
        """The image behind an http(s) or data: URL, before the deadline.

        Its bytes count against the budget until the block ends. Raises ImageUrlForbidden,
        ImageNotFound, ImageDenied, ImageUnreachable, ImageTimeout, ImageTooLarge,
        ImageUnsupported, ImageCorrupt, and Overloaded where no room came free in time.
        """
        async with ByteLease(self._budget) as share:
            yield await self._bring(image_url, deadline, share)

    async def _bring(self, image_url: str, deadline: Deadline, share: ByteLease) -> SourceImage:
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + deadline.left_s()
        began_s = time.monotonic()
        limit = asyncio.timeout_at(ends_at_s)
        run = _Run(limit, ends_at_s, share)
        try:
            async with limit:
                source = await self._source(image_url, run)
        except TimeoutError:
            error = run.timed_out()
            self._log_failure(error, run, began_s)
            raise error from None
        except CaptionError as error:
            self._log_failure(error, run, began_s)
            raise
        _log.info(
            "image fetched",
            extra={
                "place": run.place,
                "format": source.format,
                "bytes": len(source.data),
                "redirects": run.redirects,
                "took_s": round(time.monotonic() - began_s, 3),
            },
        )
        return source

    @staticmethod
    def _log_failure(error: CaptionError, run: _Run, began_s: float) -> None:
        _log.info(
            "image not fetched",
            extra={
                "place": run.place,
                "code": error.code,
                "reason": error.log_reason or error.detail,
                "redirects": run.redirects,
                "took_s": round(time.monotonic() - began_s, 3),
            },
        )

    async def _source(self, image_url: str, run: _Run) -> SourceImage:
        if is_data_url(image_url):
            run.place = "data:"
            await run.room(min(max_decoded_bytes(image_url), self._settings.max_bytes))
            source = await read_data_url(image_url, self._settings.max_bytes)
            run.share.shrink_to(len(source.data))
            return source
        url = parse(image_url)
        run.place = url.place
        run.allow(asyncio.get_running_loop().time() + self._settings.timeout_s)
        return await self._download(url, run)

    async def _download(self, url: ImageUrl, run: _Run) -> SourceImage:
        """Follow redirects to the image. Every hop is parsed, judged and dialled afresh."""
        while True:
            run.seen.add(url)
            run.place, run.connected = url.place, False
            try:
                response = await self._open(url, run)
                try:
                    location = redirect_of(response)
                    if location is None:
                        return await self._read(response, url, run)
                finally:
                    await response.aclose()
            except httpx.TransportError as error:
                raise ImageUnreachable(
                    "The connection to the image's server broke off. Try again later.",
                    log_reason=str(error),
                ) from None
            url = self._next_hop(url, location, run)

    def _next_hop(self, url: ImageUrl, location: bytes, run: _Run) -> ImageUrl:
        following = url.follow(location)
        if following in run.seen:
            raise ImageDenied(
                "The URL redirects in a circle. It may need a login or a cookie; use the image's "
                "final URL."
            )
        if run.redirects >= self._settings.max_redirects:
            raise ImageDenied(
                f"The URL redirects more than {self._settings.max_redirects} times. Use the "
                "image's final URL."
            )
        run.redirects += 1
        return following

    async def _open(self, url: ImageUrl, run: _Run) -> httpx.Response:
        """Send the request and read the answer's head.

        An origin may close a kept-alive connection just as it is used again: that is no failure
        of the origin's, and the next connection is tried.
        """
        request = httpx.Request(
            "GET",
            httpx.URL(scheme=url.scheme, host=url.host, port=url.port, path="/"),
            headers={"Host": url.host_header, **_HEADERS},
            # The target goes out as it was read: httpx would spell some characters anew, and
            # signatures are over the caller's spelling.
            extensions={"target": url.target.encode("ascii"), "trace": run.trace},
        )
        for tries_left in reversed(range(_STALE_TRIES)):
            run.dialled = False
            try:
                return await self.transport.handle_async_request(request)
            except httpx.TransportError:
                if run.dialled or not tries_left:
                    raise
        raise AssertionError

    async def _read(self, response: httpx.Response, url: ImageUrl, run: _Run) -> SourceImage:
        head = check_head(response, self._settings.max_bytes)
        stream = response.extensions.get("network_stream")
        if isinstance(stream, GuardedStream):
            # Twice the limit leaves room for chunks of a few bytes, and ends framing floods.
            stream.head_done(2 * self._settings.max_bytes + _WIRE_SLACK_BYTES)
        body = _Body(self._settings.max_bytes, head, run, self._pace)
        raw = cast("AsyncGenerator[bytes, None]", response.aiter_raw())  # so it is, in httpx
        async with aclosing(raw) as chunks:
            beginning = bytes((await body.read(chunks, SNIFF_BYTES))[:SNIFF_BYTES])
            try:
                name = sniff(beginning)
            except ImageUnsupported:
                if not is_html(beginning):
                    raise
                page = bytes(await body.read(chunks, PAGE_BYTES))
                raise page_refusal(page, url, redirected=run.redirects > 0) from None
            data = await body.read(chunks, None)
        if head.whole_bytes is not None and len(data) != head.whole_bytes:
            raise partial_image()
        run.share.shrink_to(len(data))
        return SourceImage(data=data, format=name, host=url.host_header)


class _Body:
    """The body so far, counted as it arrives; whatever Content-Length says."""

    def __init__(self, max_bytes: int, head: Head, run: _Run, pace: BandwidthLimiter) -> None:
        self._max_bytes = max_bytes
        self._most_bytes = max_bytes if head.expected_bytes is None else head.expected_bytes
        self._is_length_known = head.expected_bytes is not None
        self._run = run
        self._pace = pace
        self._size = 0
        self._pieces = 0
        self._last_turn_bytes = 0
        # Taken at once where its length is known: a buffer that grows leaves holes in the heap.
        self._buffer: bytearray | mmap.mmap = bytearray(
            min(self._most_bytes, SMALL_BYTES) if self._is_length_known else 0
        )

    async def read(self, chunks: AsyncIterator[bytes], until_bytes: int | None) -> memoryview:
        """All that came, once it is `until_bytes` or the whole.

        Raises ImageTooLarge, and ImageCorrupt where it comes in crumbs.
        """
        while until_bytes is None or self._size < until_bytes:
            chunk = await anext(chunks, None)
            if chunk is None:
                break
            size = self._size + len(chunk)
            await self._note_piece(size)
            if size > self._max_bytes:
                raise ImageTooLarge.over_bytes(self._max_bytes)
            if not self._run.share.covers(size):
                await self._run.room(max(size, self._most_bytes))
            if size > len(self._buffer):
                self._enlarge(size)
            self._buffer[self._size : size] = chunk
            self._size = size
        return memoryview(self._buffer)[: self._size].toreadonly()

    async def _note_piece(self, size: int) -> None:
        self._pieces += 1
        if (self._pieces - _PIECES_FREE) * _PIECE_BYTES > size:
            raise crumbled_image()
        if self._pieces % _PIECES_A_TURN == 0:
            moved, self._last_turn_bytes = size - self._last_turn_bytes, size
            await self._pace.throttle(moved, size)

    def _enlarge(self, size: int) -> None:
        """A new buffer and not a longer one; past what is small, once and for all."""
        larger: bytearray | mmap.mmap
        if size > SMALL_BYTES:
            larger = self._run.share.memory(max(size, min(self._most_bytes, self._max_bytes)))
        else:
            larger = bytearray(max(size, 2 * len(self._buffer)))
        larger[: self._size] = memoryview(self._buffer)[: self._size]
        self._buffer = larger
