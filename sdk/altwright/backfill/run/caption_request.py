"""A question as the client's own arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.request_item import RequestedTexts
from altwright.backfill.types import Row
from altwright.errors import UsageError
from altwright.image_input import ImageInput


def build_caption_request(
    row: Row, requested: RequestedTexts, asked: CaptionOptions
) -> tuple[ImageInput, dict[str, Any]]:
    """The picture and the options of `caption` (a single text) or `captions`.

    Raises UsageError, with a code, where the row itself is at fault.
    """
    options: dict[str, Any] = {
        "max_tokens": asked.max_tokens,
        "context": row.context or None,
        "keywords": row.tags[:10] if "seo" in requested.styles and row.tags else None,
    }
    if requested.is_single:
        options |= {"style": requested.styles[0], "locale": requested.locales[0]}
    else:
        options |= {"styles": requested.styles, "locales": requested.locales}
    return _picture(row.image, is_local=bool(row.content)), options


def _picture(image: str, *, is_local: bool) -> ImageInput:
    if is_local:
        if (path := Path(image)).exists() and not path.is_file():
            raise _no_picture("unreadable_picture", f"{image} is a folder or a pipe, and no file.")
        return path
    if not image.strip():
        raise _no_picture("no_image", "The row names no image.")
    if not image[:8].lower().startswith(("http://", "https://", "data:")):
        raise _no_picture("not_a_url", f"{image[:80]!r} is no http(s):// URL: see --base.")
    return image


def _no_picture(code: str, sentence: str) -> UsageError:
    error = UsageError(sentence)
    error.code = code
    return error
