"""Reads a file that the operator names, which may be anything: a pipe, a device, two gigabytes."""

import os
import stat
from pathlib import Path


class UnreadableFile(Exception):
    """The file cannot be read. The text says why, without the path."""


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file of at most `max_bytes`. Raises UnreadableFile, and never waits.

    Opening a pipe would wait for its writer, with the event loop.
    """
    try:
        _check_kind(path.stat().st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb", closefd=True) as file:  # noqa: PTH123 - of a descriptor
            _check_kind(os.fstat(descriptor).st_mode)  # it may have been replaced meanwhile
            content = file.read(max_bytes + 1) or b""
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UnreadableFile(f"cannot be read ({getattr(error, 'strerror', error)})") from None
    if len(content) > max_bytes:
        raise UnreadableFile(f"is larger than {max_bytes // 1024:,} KiB")
    return content


def _check_kind(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise UnreadableFile("is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise UnreadableFile("is not a regular file but a pipe, a socket or a device")
