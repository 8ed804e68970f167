"""Stops the work for a request when its client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

_T = TypeVar("_T")


async def run_while_connected(request: Request, work: Callable[[], Awaitable[_T]]) -> _T:
    """The result of `work`. The body must have been read.

    Raises ClientDisconnect, after the work was cancelled and has ended, if the client disconnects.
    """
    working = asyncio.ensure_future(work())
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({working, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        disconnect.cancel()
        working.cancel()
        # The work releases its connection, child process and place before the request ends.
        await asyncio.gather(working, disconnect, return_exceptions=True)
        # A task refers to its error, the error to its frames, and a frame to the image. Without
        # this reference cycle the image is freed now, and not when the garbage collector runs.
        del working, disconnect


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
