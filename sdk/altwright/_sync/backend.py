"""Threads: connections, blocking requests, workers. On asyncio: `_async.backend`."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic

from altwright.caption_many import AnItem, CaptionItem, CaptionManyScheduler, EndedTry
from altwright.errors import UsageError
from altwright.image_input import ImageInput, PreparedImage, prepare_image
from altwright.models import Caption
from altwright.request_builder import Request
from altwright.response_parser import Response
from altwright.transport import ResponseBuffer, connection_limits

if TYPE_CHECKING:
    import httpx

sleep = time.sleep


def prepare(image: ImageInput) -> PreparedImage:
    """Prepare an image."""
    return prepare_image(image)


def build_request(work: CaptionItem[AnItem]) -> Request[Caption]:
    """Build an item's request."""
    return work.build_request()


def send(client: httpx.Client, arguments: dict[str, Any], timeout_s: float | None) -> Response:
    """Send a request. Raises TimeoutError if the whole response takes longer than `timeout_s`."""
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    with client.stream(**arguments) as response:
        buffer = ResponseBuffer(response)
        for chunk in response.iter_bytes():
            buffer.add(chunk)
            # httpx limits each read, not their sum.
            if deadline_s is not None and time.monotonic() > deadline_s:
                raise TimeoutError
        return buffer.to_response()


class Connections:
    """The caller's httpx client, or one of our own that is created when it is needed."""

    def __init__(
        self, callers_client: httpx.Client | None, owner: Connections | None = None
    ) -> None:
        self._callers_client = callers_client
        self._owner = owner
        self._client: httpx.Client | None = None
        self._created_in = 0
        self._is_closed = False
        self._lock = threading.Lock()

    def share(self) -> Connections:
        """The same connections for a copy of the client, which does not close them."""
        return Connections(None, owner=self._owner or self)

    def client(self) -> httpx.Client:
        """The httpx client. Raises UsageError after close()."""
        if self._owner is not None:
            return self._owner.client()
        if self._callers_client is not None:
            return self._callers_client
        with self._lock:
            if self._is_closed:
                raise UsageError("This client is closed.")
            # After a fork both processes would write to the same sockets.
            if self._client is None or self._created_in != os.getpid():
                import httpx  # not at import time: it takes longer to import than the rest

                self._client = httpx.Client(limits=connection_limits())
                self._created_in = os.getpid()
            return self._client

    def close(self) -> None:
        """Close our own client; a caller's client stays open."""
        if self._owner is not None:
            return
        with self._lock:
            client, self._client = self._client, None
            self._is_closed = True
        if client is not None and self._created_in == os.getpid():
            client.close()

    def __del__(self) -> None:
        # A short script need not close its client; open sockets would emit a ResourceWarning.
        with contextlib.suppress(Exception):
            self.close()


class Workers(Generic[AnItem]):
    """Tries items in threads, and returns their results in the order in which they end."""

    def __init__(
        self,
        try_item: Callable[[CaptionItem[AnItem]], Caption],
        items: Iterable[AnItem],
        concurrency: int,
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and rarely needed

        self._try_item = try_item
        self._items = iter(items)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="altwright")
        # Bounded by the scheduler: an item counts as in flight until it is taken out.
        self._ended: queue.SimpleQueue[EndedTry[AnItem]] = queue.SimpleQueue()

    def start(self, work: CaptionItem[AnItem]) -> None:
        """Try an item in a thread."""
        self._threads.submit(self._run_try, work)

    def pull(self, scheduler: CaptionManyScheduler[AnItem]) -> None:
        """Read the next item, in the caller's thread: a database cursor may be tied to it."""
        scheduler.pull_from(self._items)

    def next_ended(self, timeout_s: float | None) -> EndedTry[AnItem] | None:
        """The next try that ended; None after `timeout_s`."""
        try:
            return self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Start nothing more, and wait for the tries in flight."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run_try(self, work: CaptionItem[AnItem]) -> None:
        outcome: Caption | BaseException
        try:
            outcome = self._try_item(work)
        except BaseException as error:  # noqa: BLE001 - yielded, or raised in the caller's thread
            outcome = error
        self._ended.put(EndedTry(work, time.monotonic(), outcome))
