"""Output files: written beside their place and renamed, and never over a file of somebody else."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from altwright.errors import UsageError

_MARKED_BYTES = 4_096
"""Where a program's own mark is looked for: at the beginning."""
_DATABASE_SUFFIXES = ("-lock", "-wal", "-shm", "-journal")
"""Of files beside an SQLite database, which a journal is; some of them are empty."""
_CURRENT_FOLDER, _RENAME_EXCHANGE = -100, 2
"""AT_FDCWD and the flag of renameat2(2)."""
_NOT_SUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.EXDEV)
"""What systems and file systems say of exchanges and of hard links that they do not have."""


class ChangedMeanwhile(Exception):
    """Somebody saved another file under the name, and it stays there."""


def check_may_replace(path: Path, marks: tuple[bytes, ...]) -> None:
    """Raise UsageError if a file exists that does not begin as this program's own files do.

    `marks` are pieces of the beginning, which must all be there. An empty file may be replaced,
    unless it belongs to a database.
    """
    for suffix in _DATABASE_SUFFIXES:
        owner = path.with_name(path.name.removesuffix(suffix))
        if owner != path and owner.is_file():
            raise UsageError(f"{path} belongs to {owner}: name a new file.")
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

    @property
    def displaced(self) -> Path:
        """The file that was replaced, until it is certain that it may go."""
        return self.place.with_name(f".{self.place.name}.old")

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

    def replace(
        self, like: Path | None = None, may_go: Callable[[Path], bool] | None = None
    ) -> None:
        """Put it in place: after a power cut there is the old file or the new one.

        `like` is the file whose owner and permissions a new one gets. With `may_go` an existing
        file is looked at after it has been moved out, where nobody saves another one over it. If it
        may not go, it comes back, and ChangedMeanwhile is raised. Where the system cannot exchange
        two files (only Linux can), it is looked at in its place.
        """
        place, partial = self.place, self.partial
        with contextlib.suppress(FileNotFoundError):
            _copy_owner(place if place.exists() or like is None else like, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        if may_go is None:
            partial.replace(place)
        else:
            self._replace_if(may_go)
        with _open_folder(place.parent) as folder:
            os.fsync(folder)

    def _replace_if(self, may_go: Callable[[Path], bool]) -> None:
        place, partial, displaced = self.place, self.partial, self.displaced
        while not place.exists():
            if _link(partial, place):
                partial.unlink()
                return
        new = _identify(partial)
        # Under this name a killed process leaves the file that it took out of its place.
        partial.rename(displaced)
        if not _exchange(displaced, place):
            displaced.rename(partial)
            if place.exists() and not may_go(place):
                raise ChangedMeanwhile
            partial.replace(place)
        elif may_go(displaced):
            displaced.unlink()
        else:
            if _exchange(displaced, place) and _identify(displaced) == new:
                displaced.unlink()  # else somebody saved once more: both files stay
            raise ChangedMeanwhile


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


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name. False where that is taken."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        source.rename(target)  # no hard links here, so nothing better than to move it
        source.touch()
    return True


def _identify(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes into a file, or saves another one under its name."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two files in one step. False where that cannot be done, or one is gone."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if rename(_CURRENT_FOLDER, names[0], _CURRENT_FOLDER, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (*_NOT_SUPPORTED, errno.ENOENT):
        return False
    raise OSError(code, os.strerror(code), str(second))
