"""Reading a request's body: bounded while it arrives, JSON only, every wrong field named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge, UnsupportedMediaType
from app.errors import Overloaded
from app.runtime.drain import Drain

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Room for a data: URL of a six-megabyte picture; anything larger is better sent as a URL."""
_SMALL_BODY_BYTES = 64 * 1024
"""A body without an inline picture is far below this; it needs no share of the budget."""
BODIES_IN_FLIGHT_BYTES = 48 * 1024 * 1024
"""All large bodies together. Raw, parsed and decoded they take about three times this."""
BODIES_OF_CALLER_BYTES = 24 * 1024 * 1024
"""So that one caller cannot lock all others' large bodies out."""
_NAME_MAX_CHARS = 100
"""Of a name in an error: a field that there is not may be called by eight megabytes."""
_STEP_BYTES = 256 * 1024
_STRUCTURE = (b"[", b"{", b",")
_STRUCTURE_MAX = 100_000
"""Characters that begin a list, an object or an item. Each becomes an object of some 100 bytes in
memory: 2.6 million empty lists in 8 MB took 6 s and 1.2 GB. The widest sound body, with texts made
of commas, has under 80,000; base64 has none."""
_DISCARD_MAX_BYTES = 4 * MAX_BODY_BYTES
_DISCARD_MAX_S = 3.0

_Body = TypeVar("_Body", bound=BaseModel)


class BodyReader:
    """Reads bodies against one budget of bytes, of which one caller gets a half at the most."""

    def __init__(self, timeout_s: float, drain: Drain) -> None:
        self._free_bytes = BODIES_IN_FLIGHT_BYTES
        self._of_caller: dict[str, int] = {}
        self._timeout_s = timeout_s
        self._drain = drain
        self._parsing = asyncio.Lock()

    @asynccontextmanager
    async def read(self, request: Request, model: type[_Body], caller: str) -> AsyncIterator[_Body]:
        """The valid body; its share of memory is held until the block ends.

        Raises UnsupportedMediaType, RequestTooLarge, RequestTimeout, InvalidRequest, and
        Overloaded where too many large bodies are in flight.
        """
        _require_json(request)
        declared = _declared_length(request)
        if declared is not None and declared > MAX_BODY_BYTES:
            await _discard(request)
            raise RequestTooLarge
        share = _Share(self, caller)
        try:
            try:
                async with self._drain.limit(self._timeout_s):
                    raw = await _read_bounded(request, share)
            except TimeoutError:
                raise RequestTimeout from None
            body = await self._parse(raw, model)
            del raw  # up to 8 MiB, which nobody needs while the caption is made
            yield body
        finally:
            share.release()

    def take(self, caller: str, amount: int) -> bool:
        """Take bytes of the budget for a caller, or nothing."""
        held = self._of_caller.get(caller, 0)
        if amount > self._free_bytes or held + amount > BODIES_OF_CALLER_BYTES:
            return False
        self._free_bytes -= amount
        self._of_caller[caller] = held + amount
        return True

    def give_back(self, caller: str, amount: int) -> None:
        """Undo `take`."""
        self._free_bytes += amount
        left = self._of_caller.pop(caller, 0) - amount
        if left > 0:
            self._of_caller[caller] = left

    async def _parse(self, raw: bytearray, model: type[_Body]) -> _Body:
        if len(raw) <= _SMALL_BODY_BYTES:
            return _parse(raw, model)
        # One large body at a time, and others' requests in between.
        async with self._parsing:
            body = _parse(raw, model)
            await asyncio.sleep(0)
        return body


class _Share:
    """What one body has taken of the budget: it grows with what has arrived, not with what was
    announced, so that a body that only drips holds next to nothing."""

    def __init__(self, reader: BodyReader, caller: str) -> None:
        self._reader = reader
        self._caller = caller
        self._held = 0

    def cover(self, length: int) -> None:
        """Raises Overloaded where the budget has no room for a body of this length so far."""
        if length <= _SMALL_BODY_BYTES or length <= self._held:
            return
        more = min(MAX_BODY_BYTES, length + _STEP_BYTES) - self._held
        if not self._reader.take(self._caller, more):
            raise Overloaded(log_reason="too many large bodies in flight", retry_after_s=1)
        self._held += more

    def release(self) -> None:
        if self._held:
            self._reader.give_back(self._caller, self._held)
            self._held = 0


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType


def _declared_length(request: Request) -> int | None:
    if "transfer-encoding" in request.headers:
        return None  # it overrides Content-Length (RFC 9112, 6.3)
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _read_bounded(request: Request, share: _Share) -> bytearray:
    raw = bytearray()
    async for chunk in request.stream():
        share.cover(len(raw) + len(chunk))
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raw.clear()
            await _discard(request)
            raise RequestTooLarge
    return raw


async def _discard(request: Request) -> None:
    """Read on for a moment, so that a client that only writes first still gets the answer.

    Most clients send the whole body before they read; closing on them turns a clear 413 into a
    broken pipe. A client that waits for `100 Continue` is answered without its body.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    seen = 0
    try:
        async with asyncio.timeout(_DISCARD_MAX_S):
            while seen < _DISCARD_MAX_BYTES:
                message = await request.receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                seen += len(message.get("body", b""))
    except TimeoutError:
        return


def _parse(raw: bytearray, model: type[_Body]) -> _Body:
    if sum(map(raw.count, _STRUCTURE)) > _STRUCTURE_MAX:
        raise InvalidRequest([("", "The body has far too many lists, objects or fields")])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(
            (_field_of(item["loc"]), _sentence(item["type"], item["msg"]))
            for item in error.errors(include_input=False, include_url=False)
        ) from None


def _field_of(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_NAME_MAX_CHARS] for part in path)


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "There is no such field; check its spelling"
    if kind == "json_invalid":
        return f"The body is not valid JSON ({message.removeprefix('Invalid JSON: ')})"
    return message.removeprefix("Value error, ")
