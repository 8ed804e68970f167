"""Content codings: what a Content-Encoding header names, and unpacking gzip and deflate.

Identity is asked for, but some origins compress anyway, and many state a Content-Encoding that is
none: object stores keep whatever the uploading program wrote there.
"""

import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Literal

from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported

Coding = Literal["gzip", "deflate"]

_UNPACKED: dict[str, Coding] = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
_NOT_UNPACKED = frozenset(
    {
        # IANA's registry of content codings, without `identity`, which names none.
        *("aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"),
        # Not registered, but used.
        *("bzip2", "x-bzip2", "lz4", "lzma", "peerdist", "sdch", "snappy", "xpress", "xz"),
    }
)
_SEPARATORS = re.compile(r"[\s,;\"']+")

_PIECE_BYTES = 64 * 1024
"""Unpacked at a time, some 0.2 ms of the event loop. Other tasks run between some pieces."""
_INPUT_BYTES = 16 * 1024
"""Given to zlib at a time: it copies what is left of its input with every piece."""

_SERVE_AS_IT_IS = "Serve the image file as it is, without Content-Encoding."


def parse_content_encoding(value: str) -> Coding | None:
    """The coding to unpack, None for a body that is not coded. `value` joins all of the headers.

    Names that are no coding (`identity`, `utf-8`, `aws-chunked`, `base64`, a media type) are
    ignored: the bytes decide what the body is. Raises ImageUnsupported for other codings than gzip
    and deflate, and for more than one.
    """
    names = _SEPARATORS.split(value[:1000].lower())
    codings = [name for name in names if name in _UNPACKED or name in _NOT_UNPACKED]
    if not codings:
        return None
    if len(codings) == 1 and codings[0] in _UNPACKED:
        return _UNPACKED[codings[0]]
    shown = ", ".join(codings[:4])
    raise ImageUnsupported(
        f"The image's server sent it compressed (Content-Encoding: {shown}), although it was asked "
        f"not to. {_SERVE_AS_IT_IS}",
        log_reason=f"content-encoding {shown}",
    )


async def unpack(
    chunks: AsyncIterator[bytes], coding: Coding, max_bytes: int
) -> AsyncGenerator[bytes, None]:
    """The unpacked body, in pieces of at most 64 KiB.

    Each chunk gives at least one piece, which may be empty, so that the reader counts chunks that
    unpack to nothing. One layer is unpacked; bytes after the end of the data are ignored, as
    browsers do. Raises ImageTooLarge for more than `max_bytes` of compressed data,
    ImageUnsupported where the body does not have the coding, and ImageCorrupt where it breaks off.
    """
    inflater = _Inflater(coding)
    received_bytes = 0
    async for chunk in chunks:
        received_bytes += len(chunk)
        if received_bytes > max_bytes:
            raise ImageTooLarge.over_bytes(max_bytes)
        is_empty = True
        for piece in inflater.unpack(chunk):
            yield piece
            is_empty = False
        if is_empty:
            yield b""
    if received_bytes and not inflater.is_complete:
        raise ImageCorrupt(
            f"The compressed data ({coding}) that the image's server sent breaks off. "
            f"{_SERVE_AS_IT_IS}"
        )


class _Inflater:
    """zlib with the window that the first two bytes of the data ask for."""

    def __init__(self, coding: Coding) -> None:
        self._coding = coding
        self._start = b""
        self._zlib: zlib._Decompress | None = None
        self._has_unpacked = False

    @property
    def is_complete(self) -> bool:
        """Whether the data has ended, with the right checksum where it has one."""
        return self._zlib is not None and self._zlib.eof

    def unpack(self, data: bytes) -> Iterator[bytes]:
        if self._zlib is None:
            self._start += data
            if len(self._start) < 2:
                return
            self._zlib = zlib.decompressobj(_window_bits(self._coding, self._start))
            data = self._start
        for start in range(0, len(data), _INPUT_BYTES):
            left, is_full = data[start : start + _INPUT_BYTES], False
            while (left or is_full) and not self._zlib.eof:
                piece = self._decompress(self._zlib, left)
                yield piece
                left, is_full = self._zlib.unconsumed_tail, len(piece) == _PIECE_BYTES

    def _decompress(self, decompressor: "zlib._Decompress", data: bytes) -> bytes:
        try:
            piece = decompressor.decompress(data, _PIECE_BYTES)
        except zlib.error as error:
            if self._has_unpacked:
                raise ImageCorrupt(log_reason=f"{self._coding}: {error}") from None
            raise ImageUnsupported(
                f"The image's server says that it sends {self._coding} (Content-Encoding), and "
                f"sends something else. {_SERVE_AS_IT_IS}",
                log_reason=f"{self._coding}: {error}",
            ) from None
        self._has_unpacked = self._has_unpacked or bool(piece)
        return piece


def _window_bits(coding: Coding, start: bytes) -> int:
    """zlib's `wbits`. `deflate` means zlib's format (RFC 1950); some servers send it raw."""
    if coding == "gzip":
        return zlib.MAX_WBITS | 16
    is_zlib = start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
