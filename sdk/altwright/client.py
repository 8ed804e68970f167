"""The synchronous client: `Altwright`."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from altwright import client_options as defaults
from altwright import transport, wire
from altwright.client_options import UNSET, ClientOptions, Unset
from altwright.errors import AltwrightError, UsageError
from altwright.image_input import ImageInput, prepare_image
from altwright.log_events import log_default, log_retry
from altwright.many import AnItem, Many, Ticket
from altwright.many_sync import in_threads
from altwright.models import Caption, Style, Verdict
from altwright.retry import Attempts
from altwright.wire import Answer, Call, Result, Role

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
Default = TypeVar("Default")


class Altwright:
    """Captions pictures with an Altwright server. Safe to share between threads.

    Keep one: its connections are used again. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float | None = defaults.DEFAULT_TIMEOUT_S,
        max_retries: int = defaults.DEFAULT_MAX_RETRIES,
        *,
        http_client: httpx.Client | None = None,
    ) -> None:
        """Nothing is sent yet.

        `api_key`: by default ALTWRIGHT_API_KEY; a server on your own machine needs none.
        `base_url`: by default ALTWRIGHT_URL, else http://127.0.0.1:8000.
        `timeout`: seconds that a whole call may take, with its retries and the waits between;
        None for no limit. A wait that would outlive it is not begun.
        `max_retries`: how often a call is tried again after failures that may pass.
        `http_client`: your own, with its proxies, certificates or hooks; you close it.

        Raises UsageError where an argument cannot be right.
        """
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
    ) -> Altwright:
        """A client that differs in what is named and shares the connections of this one.

        Close the first one; closing the copy does nothing.
        """
        copy = Altwright.__new__(Altwright)
        copy._settings = self._settings.changed(  # noqa: SLF001 - of this very class
            api_key=api_key, base_url=base_url, timeout=timeout, max_retries=max_retries
        )
        copy._http = self._http.shared()  # noqa: SLF001 - of this very class
        return copy

    def caption(
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
        """One caption.

        `image`: a URL as a string, or a local picture: a path, bytes, an open file, a Pillow image.
        Local ones are shrunk to 1,200 pixels (with Pillow) and sent inside the request.
        `style`: `concise` (the server's default), `seo`, `detailed`, or one of the server's own.
        `max_tokens`: 32 to 256, a ceiling (64). `locale`: a BCP 47 tag (`en`).
        `context`: text around the picture, the only place that a name may come from.
        `role`: `hero`, `inline`, `gallery`, `product`, `link`.
        `keywords`: up to ten, for `seo`. `metadata`: strings that come back in the answer.

        Raises AltwrightError; its subclasses are drawn in altwright.errors.
        """
        return self._call(
            wire.caption(
                prepare_image(image),
                style=style,
                max_tokens=max_tokens,
                locale=locale,
                context=context,
                role=role,
                keywords=keywords,
                metadata=metadata,
            )
        )

    def caption_or(
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
        """The caption, or `default` where there is none: for pipelines that must go on.

        Whatever AltwrightError `caption` would raise is logged as a warning (logger `altwright`).
        """
        try:
            return self.caption(
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

    def captions(
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
        """Several captions of one picture, which is fetched and decoded once.

        One for each style and locale (styles outer, locales inner), at most twelve; each a Caption,
        or a FailedCaption with its `problem`. Raises where the picture itself fails.
        """
        return self._call(
            wire.captions(
                prepare_image(image),
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
        items: Iterable[AnItem],
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
    ) -> Generator[tuple[AnItem, Caption | AltwrightError], None, None]:
        """Each item with its caption or its error, in the order in which they are done.

        `items`: pictures, or `Job(picture, style=...)` with options of its own; as many as you
        like, for ever: they are read one by one, in your thread, when there is room.
        `concurrency`: requests in flight at most. There are fewer, and they are spaced, while the
        server says that it is too much (429, 503); its Retry-After holds all of them back.
        `per_second`: requests begun in a second at most.
        `patience`: seconds for which an item is tried again that the server had no room for.

        Errors of items are yielded, not raised. Leaving the loop (or `close()` of the iterator)
        starts nothing more and returns when the requests in flight have ended.
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
        return in_threads(many, items, self._try)

    def check(
        self,
        text: str,
        *,
        style: str | None = None,
        locale: str | None = None,
        context: str | None = None,
    ) -> Verdict:
        """What the rules say of a text that a person or another tool wrote; no model is asked."""
        return self._call(wire.check(text, style=style, locale=locale, context=context))

    def styles(self) -> list[Style]:
        """The styles that the server accepts."""
        return self._call(wire.styles())

    def close(self) -> None:
        """Close the connections, but not an `http_client` that was handed in."""
        self._http.close()

    def __enter__(self) -> Altwright:  # noqa: PYI034 - typing.Self is 3.11's
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, call: Call[T]) -> T:
        request_id = transport.new_request_id()
        attempts = Attempts(
            max_retries=self._settings.max_retries,
            timeout_s=self._settings.timeout_s,
            started_s=time.monotonic(),
        )
        while True:
            try:
                return self._attempt(call, request_id, attempts.left_s(time.monotonic()))
            except AltwrightError as error:
                wait_s = attempts.next_wait_s(error, time.monotonic(), transport.chance())
                if wait_s is None:
                    raise
                log_retry(error, wait_s)
            time.sleep(wait_s)

    def _try(self, ticket: Ticket[AnItem]) -> Caption:
        """One try of one item of caption_many."""
        return self._attempt(ticket.call(), transport.new_request_id(), self._settings.timeout_s)

    def _attempt(self, call: Call[T], request_id: str, left_s: float | None) -> T:
        """One try. Raises AltwrightError."""
        until_s = None if left_s is None else time.monotonic() + left_s
        arguments = transport.request_arguments(self._settings, call, request_id, left_s)
        try:
            answer = self._exchange(arguments, until_s, request_id)
        except AltwrightError:
            raise
        except Exception as error:
            told = transport.translated(error, self._settings, request_id)
            if told is None:
                raise
            raise told from error
        return wire.judge(call, answer)

    def _exchange(
        self, arguments: dict[str, Any], until_s: float | None, request_id: str
    ) -> Answer:
        with self._http.client().stream(**arguments) as response:
            collector = transport.Collector(response)
            for chunk in response.iter_bytes():
                collector.add(chunk)
                # httpx bounds each read, not their sum.
                if until_s is not None and time.monotonic() > until_s:
                    raise transport.timed_out(self._settings, request_id)
            return collector.whole()


class _Connections:
    """An httpx client that was handed in, or one of our own that is made when it is needed."""

    def __init__(self, handed_in: httpx.Client | None, owner: _Connections | None = None) -> None:
        self._handed_in = handed_in
        self._owner = owner
        self._own: httpx.Client | None = None
        self._of_process = 0
        self._closed = False
        self._lock = threading.Lock()

    def shared(self) -> _Connections:
        """The same ones for a copy, which cannot close them."""
        return _Connections(None, owner=self._owner or self)

    def client(self) -> httpx.Client:
        """The client. Raises UsageError after close()."""
        if self._owner is not None:
            return self._owner.client()
        if self._handed_in is not None:
            return self._handed_in
        with self._lock:
            if self._closed:
                raise UsageError("This client is closed.")
            # After a fork both processes would write into the same sockets.
            if self._own is None or self._of_process != os.getpid():
                import httpx  # not at import time: it takes longer to import than all the rest

                self._own = httpx.Client(limits=transport.pool_limits())
                self._of_process = os.getpid()
            return self._own

    def close(self) -> None:
        if self._owner is not None:
            return
        with self._lock:
            own, self._own = self._own, None
            self._closed = True
        if own is not None and self._of_process == os.getpid():
            own.close()

    def __del__(self) -> None:
        # Somebody's three lines need not close anything; sockets that are left open would warn.
        with contextlib.suppress(Exception):
            self.close()
