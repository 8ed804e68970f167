"""asyncio: connections, requests, tasks. With threads: `_sync.backend`."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
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

sleep = asyncio.sleep


async def prepare(image: ImageInput) -> PreparedImage:
    """Prepare an image; in a thread if it has to be read, so that the event loop is not blocked."""
    if isinstance(image, str):
        return prepare_image(image)
    return await asyncio.to_thread(prepare_image, image)


async def build_request(work: CaptionItem[AnItem]) -> Request[Caption]:
    """Build an item's request; in a thread if its image has to be read."""
    if work.must_read_image:
        return await asyncio.to_thread(work.build_request)
    return work.build_request()


async def send(
    client: httpx.AsyncClient, arguments: dict[str, Any], timeout_s: float | None
) -> Response:
    """Send a request. Raises TimeoutError if the whole response takes longer than `timeout_s`."""

    async def receive() -> Response:
        async with client.stream(**arguments) as response:
            buffer = ResponseBuffer(response)
            async for chunk in response.aiter_bytes():
                buffer.add(chunk)
            return buffer.to_response()

    return await asyncio.wait_for(receive(), timeout_s)


class Connections:
    """The caller's httpx client, or one of our own that is created when it is needed."""

    def __init__(
        self, callers_client: httpx.AsyncClient | None, owner: Connections | None = None
    ) -> None:
        self._callers_client = callers_client
        self._owner = owner
        self._client: httpx.AsyncClient | None = None
        self._created_in: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._is_closed = False

    def share(self) -> Connections:
        """The same connections for a copy of the client, which does not close them."""
        return Connections(None, owner=self._owner or self)

    def client(self) -> httpx.AsyncClient:
        """The httpx client. Raises UsageError after aclose()."""
        if self._owner is not None:
            return self._owner.client()
        if self._callers_client is not None:
            return self._callers_client
        if self._is_closed:
            raise UsageError("This client is closed.")
        # Connections belong to a process and an event loop; asyncio.run creates a new loop.
        place = (os.getpid(), asyncio.get_running_loop())
        if self._client is None or self._created_in != place:
            import httpx  # not at import time: it takes longer to import than the rest of the SDK

            self._client = httpx.AsyncClient(limits=connection_limits())
            self._created_in = place
        return self._client

    async def aclose(self) -> None:
        """Close our own client; a caller's client stays open."""
        if self._owner is not None:
            return
        client, self._client = self._client, None
        self._is_closed = True
        if client is not None and self._created_in == (os.getpid(), asyncio.get_running_loop()):
            await client.aclose()


class Workers(Generic[AnItem]):
    """Tries items in asyncio tasks, and returns their results in the order in which they end."""

    def __init__(
        self,
        try_item: Callable[[CaptionItem[AnItem]], Awaitable[Caption]],
        items: Iterable[AnItem] | AsyncIterable[AnItem],
        _concurrency: int,
    ) -> None:
        self._try_item = try_item
        self._items = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: deque[EndedTry[AnItem]] = deque()
        self._wake_up = asyncio.Event()

    def start(self, work: CaptionItem[AnItem]) -> None:
        """Try an item in a new task."""
        self._create_task(self._run_try(work))

    def pull(self, scheduler: CaptionManyScheduler[AnItem]) -> None:
        """Read the next item; one that comes asynchronously is added when it arrives."""
        if isinstance(self._items, AsyncIterator):
            self._create_task(self._pull_async(self._items, scheduler))
        else:
            scheduler.pull_from(self._items)

    async def next_ended(self, timeout_s: float | None) -> EndedTry[AnItem] | None:
        """The next try that ended; None after `timeout_s`, or when an item has arrived."""
        if not self._ended:
            self._wake_up.clear()
            try:
                await asyncio.wait_for(self._wake_up.wait(), timeout_s)
            except TimeoutError:
                return None
        return self._ended.popleft() if self._ended else None

    async def aclose(self) -> None:
        """Cancel the tries in flight, and wait until they have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _create_task(self, coroutine: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_try(self, work: CaptionItem[AnItem]) -> None:
        outcome: Caption | Exception
        try:
            outcome = await self._try_item(work)
        except Exception as error:  # noqa: BLE001 - yielded, or raised where the caller iterates
            outcome = error
        self._ended.append(EndedTry(work, time.monotonic(), outcome))
        self._wake_up.set()

    async def _pull_async(
        self, items: AsyncIterator[AnItem], scheduler: CaptionManyScheduler[AnItem]
    ) -> None:
        try:
            scheduler.add_item(await anext(items))
        except StopAsyncIteration:
            scheduler.close_input()
        except Exception as error:  # noqa: BLE001 - raised once all earlier results are yielded
            scheduler.fail_input(error)
        self._wake_up.set()
