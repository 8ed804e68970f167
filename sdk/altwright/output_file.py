"""Output files: written beside their place and renamed, and never over a file of somebody else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from altwright.errors import UsageError

_MARKED_BYTES = 4_096
"""Where a program's own mark is looked for: at the beginning."""


def check_may_replace(path: Path, marks: tuple[bytes, ...]) -> None:
    """Raise UsageError if a file exists that does not begin as this program's own files do.

    `marks` are pieces of the beginning, which must all be there. An empty file may be replaced.
    """
    try:
        if path.exists() and not path.is_file():
            return  # a pipe or a terminal holds nothing
        with path.open("rb") as file:
            start = file.read(_MARKED_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if start and not all(mark in start for mark in marks):
        raise UsageError(
            f"{path} already exists and was not written by this command: name a new file, or move "
            "it away."
        )


def write_output(path: Path, data: bytes, marks: tuple[bytes, ...]) -> None:
    """Write a whole file, in place of an older one of this program alone.

    Raises UsageError for a file of somebody else, OSError if it cannot be written.
    """
    check_may_replace(path, marks)
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with OutputFile(path) as output:
        output.partial.write_bytes(data)
        output.replace()


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that is written as `partial` and appears with `replace`; a context manager.

    A link is followed, and the file that it leads to keeps its owner and its permissions. Without
    `replace` everything stays as it was.
    """

    path: Path

    @property
    def place(self) -> Path:
        """Where the file is, if the path is a link."""
        return Path(os.path.realpath(self.path))

    @property
    def partial(self) -> Path:
        """The file while it is written."""
        return self.place.with_name(f".{self.place.name}.part")

    def check_writable(self) -> None:
        """Raise UsageError if no file can be made in its folder."""
        try:
            with self:
                self.partial.touch()
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}.") from None

    def __enter__(self) -> Self:
        self.partial.unlink(missing_ok=True)  # from a killed process
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.partial.unlink(missing_ok=True)

    def replace(self, like: Path | None = None) -> None:
        """Put it in place: after a power cut there is the old file or the new one.

        `like` is the file whose owner and permissions a new one gets.
        """
        place, partial = self.place, self.partial
        with contextlib.suppress(FileNotFoundError):
            _copy_owner(place if place.exists() or like is None else like, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(place)
        with _open_folder(place.parent) as folder:
            os.fsync(folder)


def hash_file(path: Path) -> str:
    """`sha256:` and the hash of the content. Raises OSError."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _copy_owner(source: Path, target: Path) -> None:
    found = source.stat()
    with contextlib.suppress(PermissionError, AttributeError):
        os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode))


@contextlib.contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
