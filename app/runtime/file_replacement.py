"""Replaces small files that other processes read and write: whole, durably, and one at a time."""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_LOCK_PAUSE_S = 0.02


@contextlib.contextmanager
def exclusive_access(path: Path, timeout_s: float) -> Iterator[None]:
    """Until the block ends, no other process of ours changes the file.

    The lock is the folder's (flock), so that it leaves no file behind and outlives a replacement.
    Raises TimeoutError, and OSError where the folder cannot be opened.
    """
    end_s = time.monotonic() + timeout_s
    folder = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while not _try_lock(folder):
            if time.monotonic() >= end_s:
                raise TimeoutError("another process holds its folder's lock")
            time.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(folder)  # which unlocks it


def replace_file(path: Path, content: bytes) -> None:
    """Write the file anew: readers, and a start after a power cut, find the old or the new one.

    A link is followed. The file keeps its permissions and its owner where it exists, so that a
    server of another user can still read it; a new one is its owner's alone.
    """
    place = Path(os.path.realpath(path))
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _copy_owner(place, descriptor)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(place.parent)


def _try_lock(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _copy_owner(place: Path, descriptor: int) -> None:
    try:
        status = place.stat()
    except FileNotFoundError:
        return
    with contextlib.suppress(PermissionError):  # only root gives files to others
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, status.st_mode & 0o777)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
