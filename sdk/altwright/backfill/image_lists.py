"""Cells that list several images: `a.jpg|b.jpg`, `https://…, https://…`, a JSON list."""

from __future__ import annotations

import json
import re

_SEPARATORS = (r"\|", ",", ";", r"\s+")
_IMAGE_PATH = re.compile(
    r"\.(?:jpe?g|jfif|png|webp|gif|avif|heic|bmp|tiff?|svg)(?:[?#]\S*)?$", re.IGNORECASE
)


def count_images(cell: str) -> int:
    """Images that a cell names; 1 also for a cell that is no image at all.

    A comma within one URL, as image services have them, separates nothing.
    """
    text = cell.strip()
    if text[:5].lower() == "data:":
        return 1
    if text[:1] == "[":
        try:
            listed = json.loads(text)
        except ValueError:
            return 1
        return len(listed) if isinstance(listed, list) else 1
    for separator in _SEPARATORS:
        parts = [part.strip() for part in re.split(separator, text) if part.strip()]
        if len(parts) > 1 and _are_images(parts, may_mix=separator == _SEPARATORS[0]):
            return len(parts)
    return 1


def _are_images(parts: list[str], *, may_mix: bool) -> bool:
    """Whether each part is a URL, or each the path of an image; `may_mix`: or some of both."""
    urls = [part[:8].lower().startswith(("http://", "https://")) for part in parts]
    if all(urls):
        return True
    if any(urls) and not may_mix:
        return False
    paths = [_IMAGE_PATH.search(part) is not None for part in parts]
    return all(url or path for url, path in zip(urls, paths, strict=True))
