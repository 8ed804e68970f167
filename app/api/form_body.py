"""Reads a form with a file (multipart/form-data) within the limits of its texts and of its file."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field

from pydantic import BaseModel

from app.api.admission import Places
from app.api.body_budget import BodyLease
from app.api.body_stream import BodyStream
from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge
from app.api.form_fields import FILE_FIELD
from app.api.multipart_reader import Event, MultipartReader, PartEnd, PartStart
from app.errors import CaptionError, Overloaded
from app.fetching.byte_lease import FREE_BYTES
from app.fetching.upload import Upload, UploadReceiver
from app.imaging.errors import ImageTooLarge, ImageUnsupported
from app.runtime.deadline import Deadline
from app.runtime.fair_loop import bulk_work

IN_PASSING_BYTES = 64 * 1024
"""Of a file that are read before its request has a place to work."""
TEXTS_MAX_BYTES = 8 * 1024 * 1024
"""All texts of a form. As JSON may have: one of them may be a data: URL."""
_PATH_MAX_BYTES = 8_192
"""A file without a name that is shorter, and is text, may be a path or a URL."""

_TEXT_FOR_FILE = (
    "is text and not a file. With curl write `-F image=@FILE`; an address goes into `image_url`"
)
_BOTH = "Send either a file in `image` or an address in `image_url`, not both"
_NEITHER = "Send the image as a file in `image` (with curl: `-F image=@FILE`), or its `image_url`"
_NO_SUCH_FILE = "There is no such field; the image file is the part `image`"
_TEXTS_TOO_LARGE = (
    "The texts of the form are over the limit of 8 MiB. The image file is the part `image`, which "
    "may be larger."
)


@dataclass(slots=True)
class Form:
    """What has been read of a form."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    """The values of each field, in order. Of a field that the model does not have, the name."""
    texts_bytes: int = 0
    upload: Upload | None = None


class FormReader:
    """Reads one form: texts into memory, the file into an Upload.

    Beyond IN_PASSING_BYTES the file is received like a download: in a place to work, within the
    byte lease, and as bulk work beyond FREE_BYTES. Until there is room the rest of it waits in the
    client's socket.
    """

    def __init__(
        self,
        body: BodyStream,
        model: type[BaseModel],
        form: Form,
        lease: BodyLease,
        uploads: UploadReceiver,
        places: Places,
    ) -> None:
        """`form` is filled; `lease` is for the texts."""
        self._body = body
        self._parts = MultipartReader(body.content_type)
        self._fields = model.model_fields
        self._form = form
        self._lease = lease
        self._uploads = uploads
        self._places = places
        self._expected_bytes = body.declared_bytes
        self._part = PartStart("", None)
        self._text: bytearray | None = None
        """Of the part that is being read, if it is the text of a field."""
        self._bulk = ExitStack()
        self._is_bulk = self._has_place = self._is_waiting_for_place = False

    async def read(self, timer: asyncio.Timeout, deadline: Deadline) -> None:
        """Read the whole form before `timer` ends it, at `deadline` or before that.

        Raises InvalidRequest, RequestTooLarge, ImageTooLarge, ImageUnsupported, and Overloaded
        where there is no place for the file or no memory for the texts.
        """
        self._deadline = deadline
        max_bytes = self._uploads.max_bytes + TEXTS_MAX_BYTES
        if self._expected_bytes is not None and self._expected_bytes > max_bytes:
            raise ImageTooLarge.over_bytes(self._uploads.max_bytes)
        received = 0
        with self._bulk:
            async for chunk in self._body:
                received += len(chunk)
                if received > max_bytes:
                    raise ImageTooLarge.over_bytes(self._uploads.max_bytes)
                for event in self._parts.feed(chunk):
                    await self._handle(event, timer)
            self._parts.finish()
        url = self._fields["image_url"]
        if self._form.upload is None and url.is_required() and not self._has_url():
            raise InvalidRequest([(FILE_FIELD, _NEITHER)])

    def timeout_error(self) -> CaptionError:
        """The error for a timer that ended now."""
        if self._is_waiting_for_place:
            return Overloaded(log_reason="no place until the deadline", retry_after_s=5)
        if self._form.upload is not None and self._form.upload.is_waiting_for_room:
            return self._form.upload.no_room_error()
        return RequestTimeout()

    async def _handle(self, event: Event, timer: asyncio.Timeout) -> None:
        if isinstance(event, PartStart):
            self._begin(event, timer)
        elif isinstance(event, PartEnd):
            await self._end()
        elif self._part.name == FILE_FIELD:
            await self._add_to_file(event)
        elif self._text is not None:
            self._add_to_text(self._text, event)

    def _begin(self, part: PartStart, timer: asyncio.Timeout) -> None:
        self._part, self._text = part, None
        if part.name == FILE_FIELD:
            if self._form.upload is not None:
                raise InvalidRequest([(FILE_FIELD, "is there twice; send one file")])
            if self._has_url():
                raise InvalidRequest([(FILE_FIELD, _BOTH)])
            self._form.upload = self._uploads.open(self._expected_bytes, timer, self._places.caller)
        elif part.name in self._fields:
            self._text = bytearray()
        elif part.filename is not None:
            raise InvalidRequest([(part.name, _NO_SUCH_FILE)])
        else:
            self._form.texts.setdefault(part.name, []).append("")

    async def _end(self) -> None:
        name = self._part.name
        if name == FILE_FIELD:
            await self._end_file()
        elif self._text is not None:
            try:
                text = self._text.decode()
            except UnicodeDecodeError:
                raise InvalidRequest([(name, "is not text in UTF-8")]) from None
            self._form.texts.setdefault(name, []).append(text)
            if name == "image_url" and text and self._form.upload is not None:
                raise InvalidRequest([(name, _BOTH)])

    def _add_to_text(self, text: bytearray, data: memoryview) -> None:
        self._form.texts_bytes += len(data)
        if self._form.texts_bytes > TEXTS_MAX_BYTES:
            raise RequestTooLarge(_TEXTS_TOO_LARGE)
        self._lease.extend_to(self._form.texts_bytes)
        text += data

    async def _add_to_file(self, data: memoryview) -> None:
        upload = self._form.upload
        assert upload is not None  # noqa: S101 - _begin
        size = upload.size + len(data)
        if size > IN_PASSING_BYTES and not self._has_place:
            await self._take_place(upload)
        if size > FREE_BYTES and not self._is_bulk:
            self._is_bulk = True
            self._bulk.enter_context(bulk_work())
        try:
            await upload.append(data)
        except ImageUnsupported:
            self._require_file(upload)
            raise

    async def _take_place(self, upload: Upload) -> None:
        """Wait for a place, and before it for the turn of a large file."""
        is_large = self._expected_bytes is None or self._expected_bytes > FREE_BYTES
        self._has_place = self._is_waiting_for_place = True
        if is_large:
            await self._places.take_turn_of_large_file(self._deadline)
            upload.when_freed(self._places.end_turn_of_large_file)
        await self._places.take(self._deadline)
        self._is_waiting_for_place = False

    async def _end_file(self) -> None:
        upload = self._form.upload
        assert upload is not None  # noqa: S101 - _begin
        if not upload.size and not self._part.filename:
            # A browser sends a file input without a file so.
            self._form.upload = None
            await upload.discard()
            return
        try:
            upload.finish()
        except ImageUnsupported:
            self._require_file(upload)
            raise

    def _has_url(self) -> bool:
        return any(self._form.texts.get("image_url", ()))

    def _require_file(self, upload: Upload) -> None:
        """Tell a path or URL that was sent as the file from a file that is no image."""
        text = upload.beginning().decode("utf-8", "replace")
        if self._part.filename is None and upload.size <= _PATH_MAX_BYTES and text.isprintable():
            raise InvalidRequest([(FILE_FIELD, _TEXT_FOR_FILE)]) from None
