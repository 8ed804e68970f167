"""A folder of pictures, with the folders in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.errors import UsageError

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")
)


class FolderSource:
    """Its pictures in the order of their names; the key is the path inside the folder."""

    primary_key = "file"
    columns: Sequence[str] = ("file",)
    notes: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        """Raises UsageError where it cannot be listed."""
        self.path = path
        try:
            os.scandir(path).close()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}.") from None

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self.path)

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Every file with a picture's suffix. Links to folders are not followed."""
        number = 0
        closed: list[OSError] = []
        for where, folders, files in os.walk(self.path, onerror=closed.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES:
                    continue
                number += 1
                inside = Path(where, name).relative_to(self.path).as_posix()
                yield _named(number, inside, is_file=Path(where, name).is_file())
        for error in closed:
            yield BrokenRecord(0, f"cannot be read ({error.strerror})", str(error.filename))


def _named(number: int, inside: str, *, is_file: bool) -> Record | BrokenRecord:
    try:
        inside.encode()
    except UnicodeEncodeError:
        shown = inside.encode("utf-8", "replace").decode()
        return BrokenRecord(number, "has a name that is not UTF-8: rename it", shown)
    if not is_file:
        return BrokenRecord(0, "is no file: a pipe, or a link that leads nowhere", inside)
    return Record(number, {"file": inside})
