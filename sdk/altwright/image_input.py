"""Convert the images that callers pass into what the API takes: a URL, or a file.

URLs are passed on. Local images are resized with Pillow if it is installed (extra `images`);
otherwise the file is sent unchanged.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, Union

from altwright.errors import UnreadableImage, UsageError
from altwright.image_resize import (
    OriginalFacts,
    ResizedImage,
    resize_file,
    resize_pillow,
)

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

ImageInput = Union[str, os.PathLike[str], bytes, bytearray, memoryview, IO[bytes], "PillowImage"]
"""A URL (a string is never a path), a path, a file's bytes, an open file, or a Pillow image."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""The server's default limit for files, and the most that is read into memory here."""


class ReadableFile(Protocol):
    """An object with `read`; that it returns bytes is checked when it is read."""

    def read(self, size: int, /) -> object: ...


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image that is ready to be sent: a URL or a file."""

    image_url: str | None = None
    file: bytes | None = None
    local: OriginalFacts | None = None
    """The facts of a file that was resized: the server sees only the smaller one."""

    @property
    def url(self) -> str | None:
        """The http(s) URL; None for a local image."""
        is_local = self.image_url is None or self.image_url[:5].lower() == "data:"
        return None if is_local else self.image_url


def prepare_image(image: ImageInput) -> PreparedImage:
    """Read and resize an image. Blocks, except for a URL.

    Raises UnreadableImage, or UsageError for a value that is not an image or a string that is not
    a URL.
    """
    if isinstance(image, str):
        return PreparedImage(_check_url(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(image), "the image")
    if isinstance(image, os.PathLike):
        path = Path(image)
        return _from_bytes(read_image_file(path), str(path))
    if _is_pillow(image):
        return _from_pillow(image)  # type: ignore[arg-type]
    if hasattr(image, "read"):
        name = getattr(image, "name", None)
        shown = name if isinstance(name, str) else "the file"
        return _from_bytes(_read_file(image, shown), shown)
    raise UsageError(
        f"An image is a URL, a pathlib.Path, bytes, an open file or a Pillow image, "
        f"not {_type_name(image)}."
    )


def _check_url(text: str) -> str:
    scheme = text[:8].lower()
    if scheme.startswith(("http://", "https://", "data:")):
        return text
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    shown = shown.partition("?")[0]  # the query may contain a secret
    hint = "" if "://" in text else " A string is always a URL; for a file use pathlib.Path(...)."
    raise UsageError(f"{shown!r} is not an http(s):// or data: URL.{hint}")


def read_image_file(path: Path) -> bytes:
    """The bytes of an image's file. Raises UnreadableImage."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImage(f"{path} is a directory; name the images in it.")
        if status.st_size > MAX_FILE_BYTES:
            raise _too_large(str(path), status.st_size)
        with path.open("rb") as file:
            return _read_file(file, str(path))
    except FileNotFoundError:
        raise UnreadableImage(f"There is no file {path}.") from None
    except PermissionError:
        raise UnreadableImage(f"{path} cannot be read: permission denied.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(f"{path} cannot be read: {reason}.") from None


def _read_file(file: ReadableFile, shown: str) -> bytes:
    try:
        data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(f"{shown} cannot be read: {reason}.") from None
    if isinstance(data, str):
        raise UsageError(f"{shown} is open as text: open it with mode 'rb'.")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"read() of {shown} returned {_type_name(data)} instead of bytes.")
    return bytes(data)


def _from_bytes(data: bytes, shown: str) -> PreparedImage:
    if not data:
        raise UnreadableImage(f"{shown} is empty.")
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(shown, len(data))
    resized = resize_file(data)
    if resized is not None:
        return _from_resized(resized)
    return PreparedImage(file=data)


def _from_pillow(image: PillowImage) -> PreparedImage:
    try:
        resized = resize_pillow(image)
    except Exception as error:
        raise UnreadableImage(f"The Pillow image cannot be encoded: {error}.") from error
    return _from_resized(resized)


def _from_resized(resized: ResizedImage) -> PreparedImage:
    return PreparedImage(file=resized.jpeg, local=resized.original)


def _is_pillow(image: object) -> bool:
    # A caller who has a Pillow image has imported this module; others need not import it. Another
    # thread may be importing it now: then it has no classes yet.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return kind is not None and isinstance(image, kind)


def _too_large(shown: str, size_bytes: int) -> UnreadableImage:
    most = _mib(MAX_FILE_BYTES)
    # A pipe or device is read up to this size only.
    has = f"more than {most}" if size_bytes == MAX_FILE_BYTES + 1 else _mib(size_bytes)
    return UnreadableImage(f"{shown} has {has}; the limit is {most}.")


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:,.1f} MiB"


def _type_name(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
