"""Fetcher: downloads the image behind a URL from public addresses, within every limit."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

import httpx

from app.errors import CaptionError
from app.fetching.address_policy import AddressPolicy
from app.fetching.body import ResponseBody
from app.fetching.byte_lease import ByteLease
from app.fetching.content_coding import unpack
from app.fetching.errors import ImageDenied, ImageUnreachable
from app.fetching.login_page import PAGE_BYTES, web_page_error
from app.fetching.network_backend import BoundedStream, GuardedBackend
from app.fetching.progress import FetchProgress
from app.fetching.resolver import Resolver
from app.fetching.response_policy import check_head, partial_image, redirect_location
from app.fetching.settings import FetchSettings
from app.fetching.transport import GuardedTransport
from app.fetching.upload import UploadReceiver
from app.fetching.urls import ImageUrl, parse_image_url
from app.imaging.data_url import is_data_url, max_decoded_bytes, read_data_url
from app.imaging.errors import ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, is_html, sniff
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.deadline import Deadline
from app.runtime.fair_loop import reads_in_turns
from app.runtime.semaphore import WeightedSemaphore
from app.telemetry.tracing import Span, step_span
from app.types import SourceImage

_logger = logging.getLogger(__name__)

_HEADERS = {
    "Accept": "image/jpeg,image/png,image/webp,image/gif,image/*;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "identity",
}
_MAX_ATTEMPTS = 3
"""For one request: kept-alive connections may turn out to be closed."""
_FRAMING_BYTES = 256 * 1024


class Fetcher:
    """Downloads images for callers. One for the process, used by many requests at once.

    `semaphore` limits the bytes in flight of all fetches together; see ByteLease.
    """

    def __init__(
        self,
        settings: FetchSettings,
        semaphore: WeightedSemaphore,
        *,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._semaphore = semaphore
        self._bandwidth = BandwidthLimiter(settings.max_bytes)
        self.uploads = UploadReceiver(settings, semaphore, self._bandwidth)
        """Files that callers send instead of a URL; they share the limits of downloads."""
        self._resolver = resolver or Resolver()
        policy = AddressPolicy(settings.allowed_ports, settings.allowed_networks)
        self.transport = GuardedTransport(GuardedBackend(policy, self._resolver), ssl_context)

    async def aclose(self) -> None:
        """Close every connection and stop waiting for DNS."""
        await self.transport.aclose()
        await self._resolver.aclose()

    @asynccontextmanager
    async def fetch(
        self, image_url: str, deadline: Deadline, *, caller: str = ""
    ) -> AsyncIterator[SourceImage]:
        """The image behind an http(s) or data: URL, before the deadline.

        Its bytes are leased until the block ends; callers get room for large images in turns.
        Raises ImageUrlForbidden, ImageNotFound, ImageDenied, ImageUnreachable, ImageTimeout,
        ImageTooLarge, ImageUnsupported, ImageCorrupt, and Overloaded where there was no room for
        its bytes in time.
        """
        async with ByteLease(self._semaphore, caller) as lease:
            with step_span("image.fetch") as span:
                source = await self._fetch_in_time(image_url, deadline, lease, span)
            yield source

    async def _fetch_in_time(
        self, image_url: str, deadline: Deadline, lease: ByteLease, span: Span
    ) -> SourceImage:
        deadline_s = asyncio.get_running_loop().time() + deadline.left_s()
        began_s = time.monotonic()
        timer = asyncio.timeout_at(deadline_s)
        progress = FetchProgress(timer, deadline_s, lease)
        try:
            async with timer:
                source = await self._fetch(image_url, progress)
        except TimeoutError:
            error = progress.timeout_error()
            _log_failure(error, progress, began_s)
            raise error from None
        except CaptionError as error:
            _log_failure(error, progress, began_s)
            raise
        finally:
            # Of the last URL the host alone: a path may have a secret.
            span.set_attributes(
                {"server.address": progress.host or None, "altwright.redirects": progress.redirects}
            )
        _log_success(source, progress, began_s)
        span.set_attributes({"altwright.image.bytes": len(source.data)})
        return source

    async def _fetch(self, image_url: str, progress: FetchProgress) -> SourceImage:
        if is_data_url(image_url):
            progress.loggable_url = "data:"
            return await self._read_data_url(image_url, progress)
        url = parse_image_url(image_url)
        progress.loggable_url, progress.host = url.loggable, url.host
        progress.begin_download(self._settings.timeout_s)
        with reads_in_turns():
            return await self._download(url, progress)

    async def _read_data_url(self, image_url: str, progress: FetchProgress) -> SourceImage:
        await progress.lease_bytes(min(max_decoded_bytes(image_url), self._settings.max_bytes))
        source = await read_data_url(image_url, self._settings.max_bytes)
        progress.lease.shrink_to(len(source.data))
        return source

    async def _download(self, url: ImageUrl, progress: FetchProgress) -> SourceImage:
        """Follow redirects to the image. Each URL is parsed, checked and connected to anew."""
        while True:
            progress.visited.add(url)
            progress.loggable_url, progress.host = url.loggable, url.host
            progress.is_connected = False
            try:
                response = await self._send(url, progress)
                try:
                    location = redirect_location(response)
                    if location is None:
                        return await self._read_image(response, url, progress)
                finally:
                    await response.aclose()
            except httpx.TransportError as error:
                raise ImageUnreachable(
                    "The connection to the image's server broke off. Try again later.",
                    log_reason=str(error),
                ) from None
            url = self._follow_redirect(url, location, progress)

    async def _send(self, url: ImageUrl, progress: FetchProgress) -> httpx.Response:
        """Send the request and read the head of the response.

        An origin may close a kept-alive connection at the moment of its reuse. That is not a
        failure of the origin, and another connection is tried.
        """
        request = httpx.Request(
            "GET",
            httpx.URL(scheme=url.scheme, host=url.host, port=url.port, path="/"),
            headers={
                "Host": url.host_header,
                "User-Agent": self._settings.user_agent,
                **_HEADERS,
            },
            # The target is sent as the caller wrote it: httpx would spell some characters
            # differently, and signatures cover the caller's spelling.
            extensions={"target": url.target.encode("ascii"), "trace": progress.trace},
        )
        for attempts_left in reversed(range(_MAX_ATTEMPTS)):
            progress.opened_connection = False
            try:
                return await self.transport.handle_async_request(request)
            except httpx.TransportError:
                if progress.opened_connection or not attempts_left:
                    raise
        raise AssertionError

    def _follow_redirect(self, url: ImageUrl, location: bytes, progress: FetchProgress) -> ImageUrl:
        target = url.follow(location)
        if target in progress.visited:
            raise ImageDenied(
                "The URL redirects in a circle. It may need a login or a cookie; use the image's "
                "final URL."
            )
        if progress.redirects >= self._settings.max_redirects:
            raise ImageDenied(
                f"The URL redirects more than {self._settings.max_redirects} times. Use the "
                "image's final URL."
            )
        progress.redirects += 1
        return target

    async def _read_image(
        self, response: httpx.Response, url: ImageUrl, progress: FetchProgress
    ) -> SourceImage:
        """Read the body, and stop as soon as it is too large or not an image."""
        head = check_head(response, self._settings.max_bytes, time.time())
        stream = response.extensions.get("network_stream")
        if isinstance(stream, BoundedStream):
            # Twice the limit allows small chunks and ends floods of chunk framing.
            stream.begin_body(2 * self._settings.max_bytes + _FRAMING_BYTES)
        body = ResponseBody(head, self._settings.max_bytes, progress, self._bandwidth)
        raw = cast("AsyncGenerator[bytes, None]", response.aiter_raw())  # as it is in httpx
        chunks = unpack(raw, head.coding, self._settings.max_bytes) if head.coding else raw
        async with aclosing(raw), aclosing(chunks):
            beginning = bytes((await body.read(chunks, SNIFF_BYTES))[:SNIFF_BYTES])
            try:
                image_format = sniff(beginning)
            except ImageUnsupported:
                if not is_html(beginning):
                    raise
                page = bytes(await body.read(chunks, PAGE_BYTES))
                raise web_page_error(page, url, redirected=progress.redirects > 0) from None
            data = await body.read(chunks, None)
        if head.complete_bytes is not None and len(data) != head.complete_bytes:
            raise partial_image()
        progress.lease.shrink_to(len(data))
        return SourceImage(data=data, format=image_format, host=url.host_header)


def _log_success(source: SourceImage, progress: FetchProgress, began_s: float) -> None:
    _logger.info(
        "image.fetched",
        extra={
            "url": progress.loggable_url,
            "format": source.format,
            "bytes": len(source.data),
            "redirects": progress.redirects,
            "took_s": round(time.monotonic() - began_s, 3),
        },
    )


def _log_failure(error: CaptionError, progress: FetchProgress, began_s: float) -> None:
    _logger.info(
        "image.not_fetched",
        extra={
            "url": progress.loggable_url,
            "code": error.code,
            "reason": error.log_reason or error.detail,
            "redirects": progress.redirects,
            "took_s": round(time.monotonic() - began_s, 3),
        },
    )
