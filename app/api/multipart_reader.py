"""Multipart parser: the parts of a form (RFC 7578) as they arrive. Pure, no I/O, nothing is kept.

python-multipart finds the boundaries. What it does not limit is limited here: the number of parts,
and what costs its loop over single bytes.
"""

from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from app.api.errors import InvalidRequest

PARTS_MAX = 100
"""Parts of a form. The largest valid one has under 50: styles, locales, keywords, one of each
other field."""
_SPLIT_BOUNDARIES_MAX = 2 * PARTS_MAX
"""How often a boundary may stand at the beginning of a line. It ends a part there (RFC 2046, 5.1.1)
unless more characters follow, which no client writes, and which costs the parser a microsecond for
each of a few bytes."""
_PLAIN_ENCODINGS = frozenset({"", "binary", "7bit", "8bit"})


@dataclass(frozen=True, slots=True)
class PartStart:
    """The head of a part."""

    name: str
    filename: str | None
    """None where the part is no file, as for `curl -F style=seo`."""


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The end of the part that began last."""


Event = PartStart | PartEnd | memoryview
"""Bytes are of the part that began last."""


class MultipartReader:
    """Turns the bytes of a form into events. Raises InvalidRequest for what is no form."""

    def __init__(self, content_type: str) -> None:
        """`content_type` is the header with its boundary."""
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise _malformed(
                "The header Content-Type names no boundary. Leave the header to the client, which "
                "writes `multipart/form-data; boundary=…` itself"
            )
        self._events: list[Event] = []
        self._headers: dict[str, str] = {}
        self._header = (bytearray(), bytearray())
        """Name and value of the header field that is being read."""
        self._delimiter = b"\r\n--" + boundary
        self._delimiters = 0
        self._parts = 0
        self._has_ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_to_header_name,
                    "on_header_value": self._add_to_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_part_end": lambda: self._events.append(PartEnd()),
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _malformed("The boundary in Content-Type is too long") from None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes contain. The events refer to the bytes, which are not copied."""
        self._delimiters += data.count(self._delimiter)
        if self._delimiters > _SPLIT_BOUNDARIES_MAX:
            raise _too_many_parts()
        was_in_padding = self._parser.state == MultipartState.BOUNDARY_PADDING
        self._events = []
        try:
            self._parser.write(data)
        except FormParserError:
            raise _malformed(
                "The body is not a form with the boundary that Content-Type names. Leave that "
                "header to the client"
            ) from None
        if was_in_padding and self._parser.state == MultipartState.BOUNDARY_PADDING:
            raise _malformed("A boundary of the form is followed by too many spaces")
        return self._events

    def finish(self) -> None:
        """The body has ended."""
        if not self._has_ended:
            raise _malformed("The form breaks off: its last boundary is missing. Send it again")

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise _too_many_parts()
        self._headers = {}

    def _add_to_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _add_to_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _end_header(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = (bytearray(), bytearray())
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition"))
        name = options.get(b"name", b"")
        if kind != b"form-data" or not name:
            raise _malformed(
                "A part of the form has no name. Each needs the header "
                'Content-Disposition: form-data; name="…"'
            )
        if (
            self._headers.get("content-transfer-encoding", "").strip().lower()
            not in _PLAIN_ENCODINGS
        ):
            raise _malformed("A part of the form has a Content-Transfer-Encoding. Send its bytes")
        filename = options.get(b"filename")
        self._events.append(
            PartStart(_decode(name), None if filename is None else _decode(filename))
        )

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(memoryview(data)[start:end])

    def _end(self) -> None:
        self._has_ended = True


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _malformed(sentence: str) -> InvalidRequest:
    return InvalidRequest([("", sentence)])


def _too_many_parts() -> InvalidRequest:
    return _malformed(f"The form has over {PARTS_MAX} parts; send only the fields that there are")
