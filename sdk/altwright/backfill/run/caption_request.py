"""Builds the arguments of a client call from a row and the texts to request."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.image_lists import count_images
from altwright.backfill.request_item import RequestedTexts
from altwright.backfill.types import Row
from altwright.errors import UnreadableImage, UsageError
from altwright.image_input import ImageInput, read_image_file

_MAX_KEYWORDS = 10
"""The API's limit."""
_URL_BEGINNINGS = ("http://", "https://", "data:")


def build_caption_request(
    row: Row, requested: RequestedTexts, caption_options: CaptionOptions
) -> tuple[ImageInput, dict[str, Any]]:
    """The image and the options of `caption` (for a single text) or `captions`.

    Raises UsageError, with a code, if the row itself is wrong.
    """
    options: dict[str, Any] = {
        "max_tokens": caption_options.max_tokens,
        "verify": caption_options.verify,
        "context": row.context or None,
        "visible_text": row.visible_text or None,
        "keywords": row.tags[:_MAX_KEYWORDS] if "seo" in requested.styles and row.tags else None,
    }
    if requested.is_single:
        options |= {"style": requested.styles[0], "locale": requested.locales[0]}
    else:
        options |= {"styles": requested.styles, "locales": requested.locales}
    return _image_of(row), options


def can_be_sent(row: Row) -> bool:
    """Whether a call can be made for the row: its image is a URL, or a file that can be read."""
    if row.content_hash:
        return row.content_hash.startswith("sha256:")
    is_one = count_images(row.image_cell or row.image) == 1
    return is_one and row.image[:8].lower().startswith(_URL_BEGINNINGS)


def _image_of(row: Row) -> ImageInput:
    image = row.image
    cell = row.image_cell or image
    if count_images(cell) > 1 and not row.content_hash.startswith("sha256:"):
        raise _row_error(
            "several_images", f"{cell.strip()[:80]!r} names several images: give each its own row."
        )
    if row.content_hash:
        path = Path(image)
        if path.exists() and not path.is_file():
            raise _row_error("unreadable_picture", f"{image} is a folder or a pipe, not a file.")
        return cast("IO[bytes]", _ScannedFile(path, row.content_hash))
    if not image.strip():
        raise _row_error("no_image", "The row names no image.")
    if not image[:8].lower().startswith(_URL_BEGINNINGS):
        raise _row_error("not_a_url", f"{image[:80]!r} is not an http(s):// URL: see --base.")
    return image


@dataclass(frozen=True, slots=True)
class _ScannedFile:
    """A file that must have the bytes that the scan has read: the result belongs to these."""

    name: Path
    content_hash: str

    def read(self, _size: int, /) -> bytes:
        """Its bytes. Raises UnreadableImage if it has others by now."""
        data = read_image_file(self.name)
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != self.content_hash:
            raise UnreadableImage(
                f"{self.name} was changed since the source was read: the next run asks about it."
            )
        return data


def _row_error(code: str, message: str) -> UsageError:
    error = UsageError(message)
    error.code = code
    return error
