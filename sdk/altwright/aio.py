"""The asynchronous client: `AsyncAltwright`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from altwright import client_options as defaults
from altwright import transport, wire
from altwright.client_options import UNSET, ClientOptions, Unset
from altwright.errors import AltwrightError, UsageError
from altwright.image_input import ImageInput, PreparedImage, prepare_image
from altwright.log_events import log_default, log_retry
from altwright.many import AnItem, Many, Ticket
from altwright.many_async import on_loop
from altwright.models import Caption, Style, Verdict
from altwright.retry import Attempts
from altwright.wire import Answer, Call, Result, Role

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Default = TypeVar("Default")


class AsyncAltwright:
    """`Altwright` for asyncio: the same methods, to be awaited. Not to be shared between threads.

    Local pictures are read and shrunk in a thread, so that the event loop stays free.
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
        """As `Altwright`, with an `httpx.AsyncClient`."""
        self._settings = ClientOptions.of(api_key, base_url, timeout, max_retries)
        self._http = _Connections(http_client)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.shown()})"

    def with_options(
        self,
        *,
        api_key: str | Unset | None = UNSET,
        base_url: str | Unset = UNSET,
        timeout: float | Unset | None = UNSET,
        max_retries: int | Unset = UNSET,
    ) -> AsyncAltwright:
        """As `Altwright.with_options`."""
        copy = AsyncAltwright.__new__(AsyncAltwright)
        copy._settings = self._settings.changed(  # noqa: SLF001 - of this very class
            api_key=api_key, base_url=base_url, timeout=timeout, max_retries=max_retries
        )
        copy._http = self._http.shared()  # noqa: SLF001 - of this very class
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
        keywords: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Caption:
        """As `Altwright.caption`."""
        return await self._call(
            wire.caption(
                await _prepared(image),
                style=style,
                max_tokens=max_tokens,
                locale=locale,
                context=context,
                role=role,
                keywords=keywords,
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
        keywords: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Caption | Default:
        """As `Altwright.caption_or`."""
        try:
            return await self.caption(
                image,
                style=style,
                max_tokens=max_tokens,
                locale=locale,
                context=context,
                role=role,
                keywords=keywords,
                metadata=metadata,
            )
        except AltwrightError as error:
            log_default(error)
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
        keywords: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> list[Result]:
        """As `Altwright.captions`."""
        return await self._call(
            wire.captions(
                await _prepared(image),
                styles=styles,
                max_tokens=max_tokens,
                locale=locale,
                locales=locales,
                context=context,
                role=role,
                keywords=keywords,
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
        keywords: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[tuple[AnItem, Caption | AltwrightError], None]:
        """As `Altwright.caption_many`; `items` may come asynchronously, too.

        Leaving the loop or `aclose()` of the iterator cancels what is in flight.
        """
        many: Many[AnItem] = Many(
            {
                "style": style,
                "max_tokens": max_tokens,
                "locale": locale,
                "context": context,
                "role": role,
                "keywords": keywords,
                "metadata": metadata,
            },
            concurrency=concurrency,
            per_second=per_second,
            patience_s=patience,
            max_retries=self._settings.max_retries,
        )
        return on_loop(many, items, self._try)

    async def check(
        self,
        text: str,
        *,
        style: str | None = None,
        locale: str | None = None,
        context: str | None = None,
    ) -> Verdict:
        """As `Altwright.check`."""
        return await self._call(wire.check(text, style=style, locale=locale, context=context))

    async def styles(self) -> list[Style]:
        """As `Altwright.styles`."""
        return await self._call(wire.styles())

    async def aclose(self) -> None:
        """Close the connections, but not an `http_client` that was handed in."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncAltwright:  # noqa: PYI034 - typing.Self is 3.11's
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _call(self, call: Call[T]) -> T:
        request_id = transport.new_request_id()
        attempts = Attempts(
            max_retries=self._settings.max_retries,
            timeout_s=self._settings.timeout_s,
            started_s=time.monotonic(),
        )
        while True:
            try:
                return await self._attempt(call, request_id, attempts.left_s(time.monotonic()))
            except AltwrightError as error:
                wait_s = attempts.next_wait_s(error, time.monotonic(), transport.chance())
                if wait_s is None:
                    raise
                log_retry(error, wait_s)
            await asyncio.sleep(wait_s)

    async def _try(self, ticket: Ticket[AnItem]) -> Caption:
        """One try of one item of caption_many."""
        call = await asyncio.to_thread(ticket.call) if ticket.must_read else ticket.call()
        return await self._attempt(call, transport.new_request_id(), self._settings.timeout_s)

    async def _attempt(self, call: Call[T], request_id: str, left_s: float | None) -> T:
        """One try. Raises AltwrightError."""
        arguments = transport.request_arguments(self._settings, call, request_id, left_s)
        try:
            answer = await asyncio.wait_for(self._exchange(arguments), left_s)
        except AltwrightError:
            raise
        except asyncio.TimeoutError:  # another class than TimeoutError before Python 3.11
            raise transport.timed_out(self._settings, request_id) from None
        except Exception as error:
            told = transport.translated(error, self._settings, request_id)
            if told is None:
                raise
            raise told from error
        return wire.judge(call, answer)

    async def _exchange(self, arguments: dict[str, Any]) -> Answer:
        async with self._http.client().stream(**arguments) as response:
            collector = transport.Collector(response)
            async for chunk in response.aiter_bytes():
                collector.add(chunk)
            return collector.whole()


async def _prepared(image: ImageInput) -> PreparedImage:
    return (
        prepare_image(image)
        if isinstance(image, str)
        else await asyncio.to_thread(prepare_image, image)
    )


class _Connections:
    """An httpx client that was handed in, or one of our own that is made when it is needed."""

    def __init__(
        self, handed_in: httpx.AsyncClient | None, owner: _Connections | None = None
    ) -> None:
        self._handed_in = handed_in
        self._owner = owner
        self._own: httpx.AsyncClient | None = None
        self._place: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._closed = False

    def shared(self) -> _Connections:
        """The same ones for a copy, which cannot close them."""
        return _Connections(None, owner=self._owner or self)

    def client(self) -> httpx.AsyncClient:
        """The client. Raises UsageError after aclose()."""
        if self._owner is not None:
            return self._owner.client()
        if self._handed_in is not None:
            return self._handed_in
        if self._closed:
            raise UsageError("This client is closed.")
        # Connections belong to a process and to an event loop: asyncio.run makes a new one.
        place = (os.getpid(), asyncio.get_running_loop())
        if self._own is None or self._place != place:
            import httpx  # not at import time: it takes longer to import than all the rest

            self._own = httpx.AsyncClient(limits=transport.pool_limits())
            self._place = place
        return self._own

    async def aclose(self) -> None:
        if self._owner is not None:
            return
        own, self._own = self._own, None
        self._closed = True
        if own is not None and self._place == (os.getpid(), asyncio.get_running_loop()):
            await own.aclose()
