"""Local files that an agent may send: pictures, within the folders that the operator allowed.

An agent reads texts of strangers, which may tell it to send any file. So a file outside the folders
is not opened, and one that does not begin as a picture is not sent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from altwright.errors import UnreadableImage, UsageError
from altwright.image_input import MAX_FILE_BYTES

_HEAD_BYTES = 32
_SIGNATURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a", b"GIF89a",
    b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+",  # TIFF and BigTIFF
)  # fmt: skip
_BRANDS = frozenset(
    {b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"}
)
"""Major brands of AVIF and HEIF (ISO/IEC 23008-12); those of videos are others."""
_BMP_HEADER_BYTES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""Sizes of the header that follows BMP's first one: `BM` alone also begins words."""
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_HAS_DIR_FD = os.open in os.supports_dir_fd and bool(_NO_FOLLOW)


class LocalFiles:
    """Reads pictures within some folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises UsageError for a folder that there is not."""
        self._folders = tuple(_resolve_folder(folder) for folder in folders)

    def read(self, name: str) -> bytes:
        """The bytes of the picture with this path or file: URL.

        Raises UnreadableImage, with the same sentence for each file outside the folders, whether it
        exists or not.
        """
        path = self._resolve(name)
        folder = next((one for one in self._folders if path.is_relative_to(one)), None)
        if folder is None:
            raise UnreadableImage(f"{name} is refused: {self._describe()}")
        try:
            descriptor = _open_within(folder, path)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise UnreadableImage(f"{name} is refused: it is no file.")
            with os.fdopen(descriptor, "rb") as file:
                return _read_picture(file, name)
        except FileNotFoundError:
            raise UnreadableImage(f"There is no file {name}.") from None
        except OSError as error:
            raise UnreadableImage(f"{name} cannot be read: {error.strerror}.") from None

    def _resolve(self, name: str) -> Path:
        """The path without symbolic links, which may not exist. A relative one: in a folder."""
        try:
            path = Path(_path_of(name))
            if not path.is_absolute() and self._folders:
                places = [(folder / path).resolve() for folder in self._folders]
                return next((place for place in places if place.exists()), places[0])
            return path.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links; a NUL in the name
            raise UnreadableImage("This is no path of a file.") from None

    def _describe(self) -> str:
        if not self._folders:
            return "no folder is allowed. The operator names one with `altwright mcp --allow`."
        folders = ", ".join(str(folder) for folder in self._folders)
        return (
            f"only pictures in {folders} may be read. The operator allows another folder with "
            "`altwright mcp --allow`."
        )


def _resolve_folder(folder: Path) -> Path:
    resolved = folder.expanduser().resolve()
    if not resolved.is_dir():
        raise UsageError(f"--allow {folder}: there is no such folder.")
    return resolved


def _path_of(name: str) -> str:
    """The path in a file: URL; any other name is a path already."""
    if name[:5].lower() != "file:":
        return name
    parts = urlsplit(name)
    if parts.netloc.lower() not in ("", "localhost"):
        raise UnreadableImage("A file: URL names a file of this machine, without a host.")
    return url2pathname(parts.path) if os.name == "nt" else unquote(parts.path)


def _open_within(folder: Path, path: Path) -> int:
    """Open a resolved path, following no link that has come into it since then."""
    flags = os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not _HAS_DIR_FD:
        return os.open(path, flags)
    *parents, last = path.relative_to(folder).parts or (".",)
    with ExitStack() as opened:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        opened.callback(os.close, at)
        for part in parents:
            at = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW, dir_fd=at)
            opened.callback(os.close, at)
        return os.open(last, flags, dir_fd=at)


def _read_picture(file: BinaryIO, name: str) -> bytes:
    size_bytes = os.fstat(file.fileno()).st_size
    if size_bytes > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 2**20
        raise UnreadableImage(f"{name} has {size_bytes / 2**20:,.0f} MiB; the limit is {limit}.")
    head = file.read(_HEAD_BYTES)
    if not is_picture(head):
        raise UnreadableImage(
            f"{name} is refused: it does not begin as a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or "
            "HEIC file does. Nothing of it was sent."
        )
    return head + file.read(MAX_FILE_BYTES - len(head))


def is_picture(head: bytes) -> bool:
    """Whether a file begins as one of the formats that a server may take."""
    if head.startswith(_SIGNATURES):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES
