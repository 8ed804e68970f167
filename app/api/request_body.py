"""Reads request bodies: JSON, limited in bytes while they arrive, an error for each wrong field."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge, UnsupportedMediaType
from app.errors import Overloaded
from app.runtime.drain import Drain
from app.runtime.paced_work import PacedWork

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Enough for a data: URL of an image of six megabytes. A larger image is better sent as a URL."""
ALL_BODIES_MAX_BYTES = 40 * 1024 * 1024
"""All large bodies together. Raw, parsed and decoded they take about three times this."""
CALLER_BODIES_MAX_BYTES = 24 * 1024 * 1024
"""One caller's large bodies, so that they cannot keep out those of all other callers."""
_SMALL_BODY_BYTES = 64 * 1024
"""A body without an inline image is far below this. It is not counted."""
_FIELD_NAME_MAX_CHARS = 100
"""Of a field's name in an error: an unknown field may have a name of eight megabytes."""
_LEASE_STEP_BYTES = 256 * 1024
_STRUCTURE_CHARS = (b"[", b"{", b",")
_STRUCTURE_CHARS_MAX = 100_000
"""Characters that begin a list, an object or an item. Each becomes an object of some 100 bytes in
memory: 2.6 million empty lists in 8 MB took 6 s and 1.2 GB. The largest valid body, with texts made
of commas, has under 80,000; base64 has none."""
_DISCARD_MAX_BYTES = 4 * MAX_BODY_BYTES
_DISCARD_TIMEOUT_S = 3.0

_Body = TypeVar("_Body", bound=BaseModel)


class BodyReader:
    """Reads bodies within a byte limit for all callers together and one for each caller."""

    def __init__(self, timeout_s: float, drain: Drain) -> None:
        """`timeout_s` is the time in which a body must arrive."""
        self._free_bytes = ALL_BODIES_MAX_BYTES
        self._held_bytes: dict[str, int] = {}
        """By caller."""
        self._timeout_s = timeout_s
        self._drain = drain
        self._large_bodies = PacedWork()

    @asynccontextmanager
    async def read(self, request: Request, model: type[_Body], caller: str) -> AsyncIterator[_Body]:
        """The valid body. Its bytes are counted until the block ends.

        Raises UnsupportedMediaType, RequestTooLarge, RequestTimeout, InvalidRequest, and
        Overloaded where too many bytes of large bodies are held.
        """
        _require_json(request)
        declared = _declared_length(request)
        if declared is not None and declared > MAX_BODY_BYTES:
            await _discard_body(request)
            raise RequestTooLarge
        lease = _BodyLease(self, caller)
        try:
            try:
                async with self._drain.timeout(self._timeout_s):
                    raw = await _read_bytes(request, lease)
            except TimeoutError:
                raise RequestTimeout from None
            body = await self._parse(raw, model)
            del raw  # up to 8 MiB that nothing needs while the caption is made
            yield body
        finally:
            lease.release()

    def acquire_bytes(self, caller: str, amount: int) -> bool:
        """Count `amount` bytes as held by the caller. False where that would be too many."""
        held = self._held_bytes.get(caller, 0)
        if amount > self._free_bytes or held + amount > CALLER_BODIES_MAX_BYTES:
            return False
        self._free_bytes -= amount
        self._held_bytes[caller] = held + amount
        return True

    def release_bytes(self, caller: str, amount: int) -> None:
        """Undo `acquire_bytes`."""
        self._free_bytes += amount
        left = self._held_bytes.pop(caller, 0) - amount
        if left > 0:
            self._held_bytes[caller] = left

    async def _parse(self, raw: bytearray, model: type[_Body]) -> _Body:
        if len(raw) <= _SMALL_BODY_BYTES:
            return _parse(raw, model)
        return await self._large_bodies.run(_parse, raw, model)


class _BodyLease:
    """The bytes that one body holds: they grow with what has arrived, not with Content-Length.

    So a body that arrives slowly holds next to nothing.
    """

    def __init__(self, reader: BodyReader, caller: str) -> None:
        self._reader = reader
        self._caller = caller
        self._held = 0

    def extend_to(self, length: int) -> None:
        """Hold at least `length` bytes. Raises Overloaded where there are not enough."""
        if length <= _SMALL_BODY_BYTES or length <= self._held:
            return
        more = min(MAX_BODY_BYTES, length + _LEASE_STEP_BYTES) - self._held
        if not self._reader.acquire_bytes(self._caller, more):
            raise Overloaded(log_reason="too many bytes of large bodies", retry_after_s=1)
        self._held += more

    def release(self) -> None:
        if self._held:
            self._reader.release_bytes(self._caller, self._held)
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


async def _read_bytes(request: Request, lease: _BodyLease) -> bytearray:
    raw = bytearray()
    async for chunk in request.stream():
        lease.extend_to(len(raw) + len(chunk))
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raw.clear()
            await _discard_body(request)
            raise RequestTooLarge
    return raw


async def _discard_body(request: Request) -> None:
    """Read on for a moment, so that a client that writes before it reads gets the response.

    Most clients send the whole body before they read. Closing the connection on them turns a clear
    413 into a broken pipe. A client that waits for `100 Continue` has not sent its body yet.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    discarded = 0
    try:
        async with asyncio.timeout(_DISCARD_TIMEOUT_S):
            while discarded < _DISCARD_MAX_BYTES:
                message = await request.receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                discarded += len(message.get("body", b""))
    except TimeoutError:
        return


def _parse(raw: bytearray, model: type[_Body]) -> _Body:
    if sum(map(raw.count, _STRUCTURE_CHARS)) > _STRUCTURE_CHARS_MAX:
        raise InvalidRequest([("", "The body has too many lists, objects or fields")])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(
            (_field_name(item["loc"]), _describe(item["type"], item["msg"]))
            for item in error.errors(include_input=False, include_url=False)
        ) from None


def _field_name(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_FIELD_NAME_MAX_CHARS] for part in path)


def _describe(error_type: str, message: str) -> str:
    if error_type == "extra_forbidden":
        return "There is no such field; check its spelling"
    if error_type == "json_invalid":
        return f"The body is not valid JSON ({message.removeprefix('Invalid JSON: ')})"
    return message.removeprefix("Value error, ")
