"""Reads request bodies: JSON or a form, limited in bytes while they arrive.

Each wrong field has an error of its own.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import Headers
from starlette.requests import Request

from app.api.admission import Places
from app.api.body_budget import SMALL_BODY_BYTES, BodyBudget, BodyLease
from app.api.body_stream import BodyStream
from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge, UnsupportedMediaType
from app.api.form_body import Form, FormReader
from app.api.form_fields import FILE_FIELD, parse_fields
from app.api.json_body import parse_json
from app.api.request_schemas import UPLOADED
from app.api.unknown_fields import describe_unknown_field
from app.errors import CaptionError
from app.fetching.upload import Upload, UploadReceiver
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.paced_work import PacedWork
from app.telemetry.request_context import record_time
from app.telemetry.tracing import step_span

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Enough for a data: URL of an image of six megabytes. A larger image is better sent as a URL, or
as a file in a form, of which this is the limit for the texts."""
_FIELD_NAME_MAX_CHARS = 100
"""Of a field's name in an error: an unknown field may have a name of eight megabytes."""
_FILE_IN_JSON = (
    "In JSON the image is `image_url`. Send a file as a form (multipart/form-data; with curl: "
    "`-F image=@FILE`)"
)

_Body = TypeVar("_Body", bound=BaseModel)
_Raw = TypeVar("_Raw")


@dataclass(frozen=True, slots=True)
class ReceivedBody(Generic[_Body]):
    """A valid body."""

    fields: _Body
    upload: Upload | None
    """The file of a form; its memory is freed when it is closed, or with the body."""


class BodyReader:
    """Reads bodies within a byte limit for all callers together and one for each caller."""

    def __init__(self, timeout_s: float, drain: Drain, uploads: UploadReceiver) -> None:
        """`timeout_s` is the time in which a body must arrive."""
        self._budget = BodyBudget()
        self._timeout_s = timeout_s
        self._drain = drain
        self._uploads = uploads
        self._large_bodies = PacedWork()

    @asynccontextmanager
    async def read(
        self,
        request: Request,
        model: type[_Body],
        places: Places,
        before_file: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[ReceivedBody[_Body]]:
        """The valid body. Its bytes are counted until the block ends.

        `before_file` may refuse a form before it is read. A file of over 64 KiB takes the request's
        place to work before it is read. Raises
        UnsupportedMediaType, RequestTooLarge, RequestTimeout, InvalidRequest, Overloaded where
        there is no room, and of a file ImageTooLarge and ImageUnsupported.
        """
        body, form = BodyStream(request), Form()
        kind = await _body_kind(request, body)
        lease = BodyLease(self._budget, places.caller, MAX_BODY_BYTES)
        try:
            if kind == "json":
                yield ReceivedBody(await self._read_json(body, model, lease), None)
            else:
                await self._read_form(body, model, form, lease, places, before_file)
                yield ReceivedBody(await self._parse_form(form, model), form.upload)
        finally:
            lease.release()
            if form.upload is not None:
                await form.upload.discard()

    async def _parse_form(self, form: Form, model: type[_Body]) -> _Body:
        values = parse_fields(model, form.texts)
        form.texts.clear()
        if form.upload is not None:
            values["image_url"] = UPLOADED
        return await self._validate(form.texts_bytes, _validate_form, values, model)

    async def _read_json(self, body: BodyStream, model: type[_Body], lease: BodyLease) -> _Body:
        raw = bytearray()
        try:
            async with self._drain.timeout(self._timeout_s):
                await _read_bytes(body, lease, raw)
        except TimeoutError:
            raise RequestTimeout from None
        except RequestTooLarge:
            raw.clear()
            await body.discard()
            raise
        # The up to 8 MiB of `raw` end here: nothing needs them while the caption is made.
        return await self._validate(len(raw), _validate_json, raw, model)

    async def _read_form(
        self,
        body: BodyStream,
        model: type[BaseModel],
        form: Form,
        lease: BodyLease,
        places: Places,
        before_file: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Fill `form`, whose file is the caller's to discard."""
        began_s = time.monotonic()
        deadline = Deadline.after(self._drain.shorten(self._timeout_s))
        try:
            if before_file is not None:
                await before_file()
            reader = FormReader(body, model, form, lease, self._uploads, places)
            with step_span("image.upload") as span:
                try:
                    async with self._drain.timeout(self._timeout_s) as timer:
                        await reader.read(timer, deadline)
                except TimeoutError:
                    raise reader.timeout_error() from None
                finally:
                    if form.upload is not None:
                        span.set_attributes({"altwright.image.bytes": form.upload.size})
        except RequestTimeout:
            raise
        except CaptionError:
            await body.discard(is_late=not deadline.left_s())
            raise
        finally:
            record_time("upload", time.monotonic() - began_s)

    async def _validate(
        self,
        size_bytes: int,
        validate: Callable[[_Raw, type[_Body]], _Body],
        raw: _Raw,
        model: type[_Body],
    ) -> _Body:
        if size_bytes <= SMALL_BODY_BYTES:
            return validate(raw, model)
        return await self._large_bodies.run(validate, raw, model)


async def _body_kind(request: Request, body: BodyStream) -> Literal["json", "form"]:
    try:
        return _parse_kind(request.headers)
    except UnsupportedMediaType:
        await body.discard()
        raise


def _parse_kind(headers: Headers) -> Literal["json", "form"]:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding.")
    if media_type == "multipart/form-data":
        return "form"
    if media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        return "json"
    raise UnsupportedMediaType.for_media_type(media_type)


async def _read_bytes(body: BodyStream, lease: BodyLease, raw: bytearray) -> None:
    declared = body.declared_bytes
    if declared is not None and declared > MAX_BODY_BYTES:
        raise RequestTooLarge
    async for chunk in body:
        lease.extend_to(len(raw) + len(chunk))
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise RequestTooLarge


def _validate_json(raw: bytearray, model: type[_Body]) -> _Body:
    try:
        return parse_json(raw, model)
    except ValidationError as error:
        raise _invalid_request(error, model, is_form=False) from None


def _validate_form(values: Mapping[str, Any], model: type[_Body]) -> _Body:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid_request(error, model, is_form=True) from None


def _invalid_request(
    error: ValidationError, model: type[BaseModel], *, is_form: bool
) -> InvalidRequest:
    known = [*model.model_fields, *([FILE_FIELD] if is_form else [])]
    return InvalidRequest(
        (_field_name(item["loc"]), _describe(item, known, is_form=is_form))
        for item in error.errors(include_input=False, include_url=False)
    )


def _field_name(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_FIELD_NAME_MAX_CHARS] for part in path)


def _describe(item: ErrorDetails, known: Sequence[str], *, is_form: bool) -> str:
    message = item["msg"]
    if item["type"] == "extra_forbidden":
        if item["loc"] == (FILE_FIELD,) and not is_form:
            return _FILE_IN_JSON
        return describe_unknown_field(str(item["loc"][-1]), known)
    if item["type"] == "json_invalid":
        return f"The body is not valid JSON ({message.removeprefix('Invalid JSON: ')})"
    return message.removeprefix("Value error, ")
