"""Read an image from a `data:` URL (RFC 2397)."""

import asyncio
import binascii
import re

import pybase64

from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, sniff, svg_unsupported
from app.types import SourceImage

_DATA_URL = re.compile(r"data:(?P<media>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)

_MAX_HEADER_CHARS = 512
"""A media type with parameters has some dozen characters."""

_LINE_BREAKS = b"\t\r\n"

_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
"""The URL-safe alphabet differs in two characters (RFC 4648, 5). Browsers refuse it; many libraries
write it."""

_BAD_BASE64 = (
    "The base64 of the data: URL is invalid. Encode the whole file with the standard alphabet "
    "(A-Z a-z 0-9 + /) and without spaces."
)


def is_data_url(url: str) -> bool:
    """Whether the URL carries the image itself."""
    return url[:5].lower() == "data:"


def max_decoded_bytes(url: str) -> int:
    """The most bytes that a data: URL can decode to, from its length alone."""
    return len(url) * 3 // 4


async def read_data_url(url: str, max_bytes: int) -> SourceImage:
    """Decode a `data:image/...;base64,...` URL (RFC 2397).

    Percent-encoding, line breaks, missing padding and the URL-safe alphabet are accepted. The bytes
    decide the format, not the media type, which may be missing. Raises ImageUnsupported where it is
    not a base64 image of a supported format, ImageCorrupt where the base64 is invalid, and
    ImageTooLarge over `max_bytes`.
    """
    header = _DATA_URL.match(url[:_MAX_HEADER_CHARS])
    if header is None:
        raise ImageUnsupported(
            "The data: URL must begin with data:image/...;base64, and then a comma."
        )
    if header["parameters"].rpartition(";")[2].strip().lower() != "base64":
        if header["media"].strip().lower() == "image/svg+xml":
            raise svg_unsupported()
        raise ImageUnsupported(
            "The data: URL must carry base64: data:image/...;base64, and the file."
        )
    data = await _decode_base64(url, header.end(), max_bytes)
    return SourceImage(data=data, format=sniff(data[:SNIFF_BYTES]))


# Percent-encoded characters of base64, as tools write them that escape a whole URL. No other escape
# is valid in base64; a general decoder takes 100 bytes of memory for each.
_ESCAPES = tuple(
    (code, character)
    for upper, character in (
        (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="), (b"%0A", b""), (b"%0D", b""), (b"%20", b""),
    )
    for code in {upper, upper.lower()}
)  # fmt: skip

_INVALID_ESCAPE = re.compile(rb"%(?!2[BbFf0]|3[Dd]|0[AaDd])")

_SLICE_CHARS = 256 * 1024


async def _decode_base64(url: str, start: int, max_bytes: int) -> bytes:
    """Decode what follows `start`, in slices with other tasks between them.

    In one piece eight megabytes hold the event loop for 15 ms and take four times their memory, and
    as many of escapes a third of a second.
    """
    # Even if everything is percent-encoded, one byte takes at most four characters.
    if len(url) - start > max_bytes * 4 + 4:
        raise ImageTooLarge.over_bytes(max_bytes)
    decoded, rest = bytearray(), b""
    while start < len(url):
        end = start + _SLICE_CHARS
        if end < len(url) and (cut := url.rfind("%", end - 2, end)) >= 0:
            end = cut  # an escape stays in one slice
        rest += _clean(url[start:end])
        if not decoded:
            rest = rest.lstrip(b" ")
        whole = len(rest) // 4 * 4
        # Padding and spaces may follow only at the very end.
        whole = min(whole, len(rest.rstrip(b"= ")) // 4 * 4)
        decoded += _decode_groups(rest[:whole])
        rest = rest[whole:]
        if len(decoded) > max_bytes:
            raise ImageTooLarge.over_bytes(max_bytes)
        start = end
        await asyncio.sleep(0)
    rest = rest.rstrip(b" ").rstrip(b"=")
    decoded += _decode_groups(rest, padding=b"=" * (-len(rest) % 4))
    if len(decoded) > max_bytes:
        raise ImageTooLarge.over_bytes(max_bytes)
    return bytes(decoded)


def _clean(text: str) -> bytes:
    """Characters of the standard alphabet, without escapes and line breaks."""
    try:
        part = text.encode("ascii")
    except UnicodeEncodeError:
        raise ImageCorrupt(_BAD_BASE64) from None
    if b"%" in part:
        if _INVALID_ESCAPE.search(part):
            raise ImageCorrupt(_BAD_BASE64)
        for escape, character in _ESCAPES:
            part = part.replace(escape, character)
    return part.translate(_URL_SAFE_TO_STANDARD, _LINE_BREAKS)


def _decode_groups(encoded: bytes, *, padding: bytes = b"") -> bytes:
    if b"=" in encoded:
        raise ImageCorrupt(_BAD_BASE64)
    try:
        return pybase64.b64decode(encoded + padding, validate=True)
    except binascii.Error:
        raise ImageCorrupt(_BAD_BASE64) from None
