"""Thumbnails for the review page.

A local image becomes a small JPEG in the page, since a browser would not load it from the disk. An
image on the web stays a URL, loaded when it is scrolled to, without a referrer. It is not fetched
here: a catalogue of other people's URLs would decide which hosts this machine connects to.
"""

from __future__ import annotations

import base64
import io
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from altwright.backfill.review.review_item import is_web_url
from altwright.image_input import MAX_FILE_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_LONGEST_PX = 240
_JPEG_QUALITY = 70
_MAX_PIXELS = 100_000_000
"""Limits memory: a JPEG is scaled while it is decoded, but a PNG of this size takes 400 MB."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""No format whose decoder starts another program, as EPS."""
_MAX_QUEUED = 64


def make_thumbnails(images: Iterable[str], *, with_web: bool) -> Iterator[str]:
    """For each image the `src` of its thumbnail, or "" if there is none, in order.

    Without `with_web`, images on the web have none. Local files need Pillow: without it, and for
    files that it cannot decode, the result is "".
    """
    threads = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        queued = []
        for image in images:
            queued.append(pool.submit(make_thumbnail, image, with_web=with_web))
            if len(queued) >= _MAX_QUEUED:
                yield queued.pop(0).result()
        for each in queued:
            yield each.result()


def make_thumbnail(image: str, *, with_web: bool) -> str:
    """The thumbnail of one image; see `make_thumbnails`."""
    if is_web_url(image):
        return image if with_web else ""
    data = _read_data_url(image) if image[:5].lower() == "data:" else _read_file(image)
    return _encode_thumbnail(data) if data else ""


def _read_data_url(image: str) -> bytes:
    head, _, body = image.partition(",")
    if not head.endswith(";base64") or len(body) > MAX_FILE_BYTES:
        return b""
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        return b""


def _read_file(image: str) -> bytes:
    path = Path(image)
    try:
        status = path.stat()
        # Reading a pipe or a device could block, or never end.
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
            return b""
        return path.read_bytes()
    except (OSError, ValueError):
        return b""


def _encode_thumbnail(data: bytes) -> str:
    try:
        from PIL import Image, ImageOps  # optional, and slow to import
    except ImportError:
        return ""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                return ""
            image.draft("RGB", (_LONGEST_PX, _LONGEST_PX))
            small = image.copy() if image.mode in ("RGB", "L") else image.convert("RGBA")
            small.thumbnail((_LONGEST_PX, _LONGEST_PX), reducing_gap=2.0)
            small = ImageOps.exif_transpose(small)
            jpeg = io.BytesIO()
            _flatten(small).save(jpeg, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    except Exception:  # noqa: BLE001 - a decoder may raise anything; the page shows a placeholder
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}"


def _flatten(image: PillowImage) -> PillowImage:
    """On white, since a JPEG has no transparency, and without the file's metadata."""
    from PIL import Image

    if image.mode == "RGBA":
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    flat = image.convert("RGB")
    flat.info.clear()
    return flat
