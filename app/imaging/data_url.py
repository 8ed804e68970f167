"""Reads an image out of a `data:` URL (RFC 2397)."""

import asyncio
import binascii
import re

import pybase64

from app.imaging.errors import ImageCorrupt, ImageUnsupported, too_large
from app.imaging.sniff import SEND_AS, SNIFF_BYTES, sniff, unsupported
from app.types import SourceImage

_DATA_URL = re.compile(r"data:(?P<media>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)

_HEADER_CHARS = 512
"""A media type with parameters is some dozen characters; no comma in so many means no data URL."""

_LINE_BREAKS = b"\t\r\n"

_BAD_BASE64 = (
    "The base64 of the data: URL is broken. Encode the whole file with the standard alphabet "
    "(A-Z a-z 0-9 + /), without line breaks."
)


def is_data_url(url: str) -> bool:
    """Whether the URL carries the image itself."""
    return url[:5].lower() == "data:"


def data_url_bytes(url: str) -> int:
    """At most so many bytes come out of a data: URL, told from its length alone."""
    return len(url) * 3 // 4


async def read_data_url(url: str, max_bytes: int) -> SourceImage:
    """Decode a `data:image/...;base64,...` URL (RFC 2397).

    Percent-encoding, line breaks and missing padding are forgiven. The bytes decide the format,
    not the label. Raises ImageUnsupported where it is no base64 image or one of another format,
    ImageCorrupt where the base64 is broken, ImageTooLarge over `max_bytes`.
    """
    header = _DATA_URL.match(url[:_HEADER_CHARS])
    if header is None:
        raise ImageUnsupported(
            "The data: URL must begin with data:image/...;base64, and then a comma."
        )
    media = header["media"].strip().lower()
    if not media.startswith("image/"):
        raise ImageUnsupported(
            "The data: URL does not say that it is an image. "
            "It must begin with data:image/...;base64,"
        )
    if header["parameters"].rpartition(";")[2].strip().lower() != "base64":
        if media == "image/svg+xml":
            raise unsupported("SVG", "Vector graphics are not drawn here. " + SEND_AS)
        raise ImageUnsupported(
            "The data: URL must carry base64: data:image/...;base64, and the file."
        )
    data = await _decode_base64(url[header.end() :], max_bytes)
    return SourceImage(data=data, format=sniff(data[:SNIFF_BYTES]))


# What tools that escape a whole URL make of base64's own characters. A general decoder costs 100
# bytes of memory for each escape, and nothing else may stand in base64.
_ESCAPES = tuple(
    (code, character)
    for upper, character in (
        (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="), (b"%0A", b""), (b"%0D", b""), (b"%20", b""),
    )
    for code in {upper, upper.lower()}
)  # fmt: skip

_NO_ESCAPE = re.compile(rb"%(?!2[BbFf0]|3[Dd]|0[AaDd])")

_ESCAPED_PIECE_BYTES = 256 * 1024


async def _decode_base64(payload: str, max_bytes: int) -> bytes:
    # Over three characters for each byte allowed (all of it percent-encoded) is too much anyway.
    if len(payload) > max_bytes * 4 + 4:
        raise too_large(max_bytes)
    try:
        encoded = payload.encode("ascii")
    except UnicodeEncodeError:
        raise ImageCorrupt(_BAD_BASE64) from None
    if b"%" in encoded:
        encoded = await _unescaped(encoded)
    encoded = encoded.translate(None, _LINE_BREAKS).strip(b" ").rstrip(b"=")
    if len(encoded) * 3 // 4 > max_bytes:
        raise too_large(max_bytes)
    try:
        return pybase64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise ImageCorrupt(_BAD_BASE64) from None


async def _unescaped(encoded: bytes) -> bytes:
    """In pieces, between others' requests: eight megabytes of escapes take a third of a second."""
    found = bytearray()
    at = 0
    while at < len(encoded):
        end = at + _ESCAPED_PIECE_BYTES
        if end < len(encoded) and (cut := encoded.rfind(b"%", end - 2, end)) >= 0:
            end = cut  # an escape is not parted
        piece = encoded[at:end]
        if _NO_ESCAPE.search(piece):
            raise ImageCorrupt(_BAD_BASE64)
        for escape, character in _ESCAPES:
            piece = piece.replace(escape, character)
        found += piece
        at = end
        await asyncio.sleep(0)
    return bytes(found)
