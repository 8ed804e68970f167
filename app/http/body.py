"""Reading a request's body: bounded while it arrives, JSON only, every wrong field named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from app.budget import Budget
from app.errors import Overloaded
from app.http.problems import (
    InvalidRequest,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
)

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Room for a data: URL of a six-megabyte picture; anything larger is better sent as a URL."""
_SMALL_BODY_BYTES = 64 * 1024
"""A body without an inline picture is far below this; it needs no share of the budget."""
BODIES_IN_FLIGHT_BYTES = 96 * 1024 * 1024
"""All large bodies together. Raw, parsed and decoded they take about three times this."""
_DISCARD_MAX_BYTES = 4 * MAX_BODY_BYTES
_DISCARD_MAX_S = 3.0

_Body = TypeVar("_Body", bound=BaseModel)


class BodyReader:
    """Reads bodies against one budget of bytes."""

    def __init__(self, timeout_s: float) -> None:
        self._budget = Budget(BODIES_IN_FLIGHT_BYTES)
        self._timeout_s = timeout_s

    @asynccontextmanager
    async def read(self, request: Request, model: type[_Body]) -> AsyncIterator[_Body]:
        """The valid body; its share of memory is held until the block ends.

        Raises UnsupportedMediaType, RequestTooLarge, RequestTimeout, InvalidRequest, and
        Overloaded where too many large bodies are in flight.
        """
        _require_json(request)
        declared = _declared_length(request)
        if declared is not None and declared > MAX_BODY_BYTES:
            await _discard(request)
            raise RequestTooLarge
        share = 0
        if declared is None or declared > _SMALL_BODY_BYTES:
            share = declared if declared is not None else MAX_BODY_BYTES
            if not self._budget.try_acquire(share):
                raise Overloaded(log_reason="too many large bodies in flight", retry_after_s=1)
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    raw = await _read_bounded(request)
            except TimeoutError:
                raise RequestTimeout from None
            yield _parse(raw, model)
        finally:
            if share:
                self._budget.release(share)


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType


def _declared_length(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _read_bounded(request: Request) -> bytearray:
    raw = bytearray()
    async for chunk in request.stream():
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
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(
            (_field_of(item["loc"]), _sentence(item["type"], item["msg"]))
            for item in error.errors(include_input=False, include_url=False)
        ) from None


def _field_of(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path)


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "There is no such field; check its spelling"
    if kind == "json_invalid":
        return f"The body is not valid JSON ({message.removeprefix('Invalid JSON: ')})"
    return message.removeprefix("Value error, ")
