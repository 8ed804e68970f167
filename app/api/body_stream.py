"""Body stream: the bytes of one request's body as they arrive, and reading what nobody needs."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from app.runtime.fair_loop import bulk_work

_DISCARD_MAX_BYTES = 72 * 1024 * 1024
"""The largest form. Who sends more is cut off."""
_DISCARD_TIMEOUT_S, _LATE_DISCARD_TIMEOUT_S = 3.0, 1.0


class BodyStream:
    """Iterates over the chunks of a body. Raises ClientDisconnect."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._has_begun = self._is_complete = False

    @property
    def declared_bytes(self) -> int | None:
        """Its length as it is announced; None where it is not."""
        headers = self._request.headers
        if "transfer-encoding" in headers:
            return None  # it overrides Content-Length (RFC 9112, 6.3)
        text = headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def content_type(self) -> str:
        """The header, or an empty text."""
        return self._request.headers.get("content-type", "")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What has arrived, until the body is complete."""
        while not self._is_complete:
            yield await self._receive()

    async def discard(self, *, is_late: bool = False) -> None:
        """Read on for a moment, so that a client that writes before it reads gets the response.

        Most clients send the whole body before they read. Closing the connection on them turns a
        clear 413 into a broken pipe. A client that waits for `100 Continue` has not sent its body.
        With `is_late` the time of the request is over, and the moment is short.
        """
        waits = self._request.headers.get("expect", "").lower() == "100-continue"
        if waits and not self._has_begun:
            return
        discarded = 0
        timeout_s = _LATE_DISCARD_TIMEOUT_S if is_late else _DISCARD_TIMEOUT_S
        try:
            with bulk_work():
                async with asyncio.timeout(timeout_s):
                    while discarded < _DISCARD_MAX_BYTES and not self._is_complete:
                        discarded += len(await self._receive())
        except (TimeoutError, ClientDisconnect):
            return

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._is_complete = True
            raise ClientDisconnect
        self._has_begun = True
        self._is_complete = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body
