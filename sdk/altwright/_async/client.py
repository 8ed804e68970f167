"""The asynchronous client: `AsyncAltwright`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from altwright import client_options as defaults
from altwright import request_builder, transport
from altwright._async.backend import Connections, build_request, prepare, send, sleep
from altwright._async.caption_many import run_caption_many
from altwright.caption_many import AnItem, CaptionItem, CaptionManyScheduler
from altwright.client_options import UNSET, ClientOptions, Unset
from altwright.errors import AltwrightError
from altwright.image_input import ImageInput
from altwright.log_events import log_default_used, log_retry
from altwright.models import (
    Caption,
    CaptionResult,
    ExpectedTokens,
    Role,
    Style,
    UsageReport,
    Verdict,
)
from altwright.request_builder import Request
from altwright.response_parser import parse_response
from altwright.retry import RetryState

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Default = TypeVar("Default")


class AsyncAltwright:
    """Captions images with an Altwright server, on asyncio. Do not share it between threads.

    Keep one client: it reuses its connections. Close it, or use it as a context manager.
    Local images are read and resized in a thread, not on the event loop.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | None = defaults.DEFAULT_TIMEOUT_S,
        max_retries: int = defaults.DEFAULT_MAX_RETRIES,
        *,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """Create a client; nothing is sent yet.

        `api_key`: ALTWRIGHT_API_KEY by default; a server on your own machine needs none.
        `base_url`: ALTWRIGHT_URL by default, else http://127.0.0.1:8000.
        `timeout`: seconds for a whole call, including its retries and the waits between them; None
        for no limit. A wait that would end after the timeout is not started.
        `max_retries`: how often a call is retried after failures that may be temporary.
        `http_client`: your own client with its proxies, certificates or hooks; you close it.

        Raises UsageError if an argument is invalid.
        """
        self._options = ClientOptions.from_arguments(api_key, base_url, timeout, max_retries)
        self._connections = Connections(http_client)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._options.describe()})"

    def with_options(
        self,
        *,
        api_key: str | Unset | None = UNSET,
        base_url: str | Unset = UNSET,
        timeout: float | Unset | None = UNSET,
        max_retries: int | Unset = UNSET,
    ) -> AsyncAltwright:
        """A client with the given options changed, which shares the connections of this one.

        Close the original client; closing the copy does nothing.
        """
        copy = AsyncAltwright.__new__(AsyncAltwright)
        copy._options = self._options.with_changes(  # noqa: SLF001 - an instance of this class
            api_key=api_key, base_url=base_url, timeout=timeout, max_retries=max_retries
        )
        copy._connections = self._connections.share()  # noqa: SLF001 - an instance of this class
        return copy

    async def caption(
        self,
        image: ImageInput,
        *,
        style: str | None = None,
        max_tokens: int | None = None,
        locale: str | None = None,
        context: str | None = None,
        role: Role | None = None,
        visible_text: str | None = None,
        keywords: Sequence[str] | None = None,
        verify: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Caption:
        """One caption of an image.

        `image`: a URL as a string, or a local image: a path, bytes, an open file, a Pillow image.
        Local images are resized to 1,200 pixels (with Pillow) and sent inside the request.
        `style`: `concise` (the server's default), `seo`, `detailed`, or one of the server's own.
        `max_tokens`: the most that the caption may have, 32 to 256 (64 by default).
        `locale`: the caption's language, a BCP 47 tag (`en` by default).
        `context`: text around the image, the only source of proper names.
        `role`: `hero`, `inline`, `gallery`, `product`, `link` or `button`.
        `visible_text`: text beside the image that is read anyway (figcaption, link text, heading);
        the caption does not only repeat it.
        `keywords`: up to ten, for `seo`.
        `verify`: whether the caption is held against the image (the server's setting by default);
        `Caption.checks` has the verdicts.
        `metadata`: strings that are returned with the caption.

        Raises AltwrightError; altwright.errors lists its subclasses.
        """
        return await self._call(
            request_builder.build_caption(
                await prepare(image),
                style=style,
                max_tokens=max_tokens,
                locale=locale,
                context=context,
                role=role,
                visible_text=visible_text,
                keywords=keywords,
                verify=verify,
                metadata=metadata,
            )
        )

    async def caption_or(
        self,
        image: ImageInput,
        default: Default,
        *,
        style: str | None = None,
        max_tokens: int | None = None,
        locale: str | None = None,
        context: str | None = None,
        role: Role | None = None,
        visible_text: str | None = None,
        keywords: Sequence[str] | None = None,
        verify: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Caption | Default:
        """The caption, or `default` if there is none: for pipelines that must not stop.

        Any AltwrightError of `caption` is logged as a warning (logger `altwright`) and not raised.
        """
        try:
            return await self.caption(
                image,
                style=style,
                max_tokens=max_tokens,
                locale=locale,
                context=context,
                role=role,
                visible_text=visible_text,
                keywords=keywords,
                verify=verify,
                metadata=metadata,
            )
        except AltwrightError as error:
            log_default_used(error)
            return default

    async def captions(
        self,
        image: ImageInput,
        *,
        styles: Sequence[str],
        max_tokens: int | None = None,
        locale: str | None = None,
        locales: Sequence[str] | None = None,
        context: str | None = None,
        role: Role | None = None,
        visible_text: str | None = None,
        keywords: Sequence[str] | None = None,
        verify: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> list[CaptionResult]:
        """Several captions of one image, which is downloaded and decoded once.

        One for each style and locale (styles outer, locales inner), at most twelve. Each is a
        Caption, or a FailedCaption with its `problem`. Raises if the image itself fails.
        """
        return await self._call(
            request_builder.build_captions(
                await prepare(image),
                styles=styles,
                max_tokens=max_tokens,
                locale=locale,
                locales=locales,
                context=context,
                role=role,
                visible_text=visible_text,
                keywords=keywords,
                verify=verify,
                metadata=metadata,
            )
        )

    def caption_many(
        self,
        items: Iterable[AnItem] | AsyncIterable[AnItem],
        concurrency: int = 8,
        *,
        per_second: float | None = None,
        patience: float = defaults.DEFAULT_PATIENCE_S,
        style: str | None = None,
        max_tokens: int | None = None,
        locale: str | None = None,
        context: str | None = None,
        role: Role | None = None,
        visible_text: str | None = None,
        keywords: Sequence[str] | None = None,
        verify: bool | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[tuple[AnItem, Caption | AltwrightError], None]:
        """Yield each item with its caption or its error, in the order in which they are done.

        `items`: images, or `Job(image, style=...)` with options of their own. They are read one by
        one when there is room, so there may be any number. They may also come asynchronously.
        `concurrency`: the most requests in flight. There are fewer, at a lower rate, while the
        server responds with 429 or 503; its Retry-After delays all of them.
        `per_second`: the most requests that start in a second.
        `patience`: seconds during which an item is retried that the server had no capacity for.

        Errors of items are yielded, not raised.
        Leaving the loop and `aclose()` of the iterator cancel the requests in flight.
        """
        scheduler: CaptionManyScheduler[AnItem] = CaptionManyScheduler(
            {
                "style": style,
                "max_tokens": max_tokens,
                "locale": locale,
                "context": context,
                "role": role,
                "visible_text": visible_text,
                "keywords": keywords,
                "verify": verify,
                "metadata": metadata,
            },
            concurrency=concurrency,
            per_second=per_second,
            patience_s=patience,
            max_retries=self._options.max_retries,
        )
        return run_caption_many(scheduler, items, self._try_item)

    async def check(
        self,
        text: str,
        *,
        image: ImageInput | None = None,
        style: str | None = None,
        locale: str | None = None,
        context: str | None = None,
        role: Role | None = None,
        visible_text: str | None = None,
    ) -> Verdict:
        """Check a text that a person or another tool wrote; no model is called.

        With an `image` (as for `caption`) the text is held against it: `Verdict.checks`.
        """
        return await self._call(
            request_builder.build_check(
                text,
                image=None if image is None else await prepare(image),
                style=style,
                locale=locale,
                context=context,
                role=role,
                visible_text=visible_text,
            )
        )

    async def styles(self) -> list[Style]:
        """The styles that the server offers."""
        return await self._call(request_builder.build_styles())

    async def expected_tokens(self) -> ExpectedTokens | None:
        """What a picture is expected to take of the server's model, and its price.

        None of a server that does not say.
        """
        return await self._call(request_builder.build_expected_tokens())

    async def usage(self, *, month: str | None = None) -> UsageReport:
        """What your key used in the current month, or in another (`YYYY-MM`, UTC).

        Requests, captions by outcome, tokens, cost and quota, over all replicas of the server.
        """
        return await self._call(request_builder.build_usage(month))

    async def aclose(self) -> None:
        """Close the connections, but not an `http_client` of yours."""
        await self._connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _call(self, request: Request[T]) -> T:
        """Send a request, with retries. Raises AltwrightError."""
        request_id = transport.new_request_id()
        retries = RetryState(
            max_retries=self._options.max_retries,
            timeout_s=self._options.timeout_s,
            started_s=time.monotonic(),
        )
        while True:
            try:
                remaining_s = retries.remaining_s(time.monotonic())
                return await self._try(request, request_id, remaining_s)
            except AltwrightError as error:
                now_s = time.monotonic()
                wait_s = retries.plan_retry(error, now_s, transport.random_jitter())
                if wait_s is None:
                    raise
                log_retry(error, wait_s)
            await sleep(wait_s)

    async def _try_item(self, work: CaptionItem[AnItem]) -> Caption:
        """Try one item of caption_many once."""
        request = await build_request(work)
        return await self._try(request, transport.new_request_id(), self._options.timeout_s)

    async def _try(self, request: Request[T], request_id: str, timeout_s: float | None) -> T:
        """Send a request once. Raises AltwrightError."""
        arguments = transport.request_arguments(self._options, request, request_id, timeout_s)
        try:
            response = await send(self._connections.client(), arguments, timeout_s)
        except AltwrightError:
            raise
        except TimeoutError:
            raise transport.timeout_error(self._options, request_id) from None
        except Exception as error:
            converted = transport.convert_httpx_error(error, self._options, request_id)
            if converted is None:
                raise
            raise converted from error
        return parse_response(response, request.parse_body)
