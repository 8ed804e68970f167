"""Small pictures for the page.

A local file becomes a small JPEG inside the page, for a browser would not load it from there. A
picture on the web stays an address, loaded when it is scrolled to and without telling where from:
to fetch it here, from a list that somebody else wrote, would let that list choose whom we dial.
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

_EDGE_PX = 240
_QUALITY = 70
_MAX_PIXELS = 100_000_000
"""A decoder's memory: a JPEG is scaled while it is read, a PNG of this size takes 400 MB."""
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""No format whose reader starts another program (EPS and its like)."""
_AHEAD = 64


def make_thumbnails(images: Iterable[str], *, link: bool) -> Iterator[str]:
    """For each image what an `<img>` may have as its source, or "", in order.

    Without `link` no address of the web is given out. Needs Pillow for local files; without it, and
    for files that it cannot read, the answer is "".
    """
    workers = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting = []
        for image in images:
            waiting.append(pool.submit(make_thumbnail, image, link=link))
            if len(waiting) >= _AHEAD:
                yield waiting.pop(0).result()
        for each in waiting:
            yield each.result()


def make_thumbnail(image: str, *, link: bool) -> str:
    """See `thumbs`."""
    if is_web_url(image):
        return image if link else ""
    data = _read_data_url(image) if image[:5].lower() == "data:" else _read_file(image)
    return _shrunk(data) if data else ""


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
        about = path.stat()
        # A pipe or a device of that name would hang, or never end.
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE_BYTES:
            return b""
        return path.read_bytes()
    except (OSError, ValueError):
        return b""


def _shrunk(data: bytes) -> str:
    try:
        from PIL import Image, ImageOps  # optional, and slow to import
    except ImportError:
        return ""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                return ""
            image.draft("RGB", (_EDGE_PX, _EDGE_PX))
            small = image.copy() if image.mode in ("RGB", "L") else image.convert("RGBA")
            small.thumbnail((_EDGE_PX, _EDGE_PX), reducing_gap=2.0)
            small = ImageOps.exif_transpose(small)
            jpeg = io.BytesIO()
            _on_white(small).save(jpeg, "JPEG", quality=_QUALITY, optimize=True)
    except Exception:  # noqa: BLE001 - a decoder may raise anything; the page says that it is missing
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}"


def _on_white(image: PillowImage) -> PillowImage:
    """A JPEG has no transparency, and none of the file's metadata belongs on the page."""
    from PIL import Image

    if image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    plain = image.convert("RGB")
    plain.info.clear()
    return plain
