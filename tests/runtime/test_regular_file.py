"""Whatever a path names, reading it ends at once, and within its size."""

import os
import socket
from pathlib import Path

import pytest

from app.runtime.regular_file import UnreadableFile, read_regular_file


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert read_regular_file(path, 10) == b"x" * 10
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_regular_file(link, 10) == b"x" * 10


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_fifo, "not a regular file"),
        (make_socket, "not a regular file"),
        (Path.mkdir, "is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: None, "cannot be read"),
        (make_large, "is larger than 1,024 KiB"),
    ],
    ids=["fifo", "socket", "folder", "device", "loop", "nothing", "large"],
)
def test_what_is_no_small_file_is_refused_at_once(tmp_path: Path, make, reason: str) -> None:
    path = tmp_path / "file"
    make(path)
    with pytest.raises(UnreadableFile, match=reason):
        read_regular_file(path, 1024**2)


def test_a_nul_in_the_path_is_no_other_error() -> None:
    with pytest.raises(UnreadableFile):
        read_regular_file(Path("a\0b"), 10)
