"""Folder source: the image files in a folder and its subfolders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.errors import UsageError

_IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")
)


class FolderSource:
    """Image files in the order of their names; the key is the path inside the folder."""

    primary_key = "file"
    columns: Sequence[str] = ("file",)
    notes: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        """Raises UsageError if the folder cannot be listed."""
        self.path = path
        try:
            os.scandir(path).close()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None

    @property
    def display_name(self) -> str:
        """Its path."""
        return str(self.path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every file with the suffix of an image. Links to folders are not followed."""
        number = 0
        unreadable: list[OSError] = []
        for parent, folders, files in os.walk(self.path, onerror=unreadable.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if name.startswith(".") or Path(name).suffix.lower() not in _IMAGE_SUFFIXES:
                    continue
                number += 1
                path = Path(parent, name)
                relative = path.relative_to(self.path).as_posix()
                yield _record_of(number, relative, is_file=path.is_file())
        for error in unreadable:
            yield BrokenRecord(0, f"cannot be read ({error.strerror})", str(error.filename))


def _record_of(number: int, relative: str, *, is_file: bool) -> Record | BrokenRecord:
    try:
        relative.encode()
    except UnicodeEncodeError:
        printable = relative.encode("utf-8", "replace").decode()
        return BrokenRecord(number, "has a name that is not UTF-8: rename it", printable)
    if not is_file:
        return BrokenRecord(0, "is not a file but a pipe, or a link that leads nowhere", relative)
    return Record(number, {"file": relative})
