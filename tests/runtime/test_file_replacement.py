"""A small file that several processes write is replaced as a whole, and no change is lost."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.runtime import file_replacement
from app.runtime.file_replacement import exclusive_access, replace_file

ADD_LINES = """
import sys
from pathlib import Path
from app.runtime.file_replacement import exclusive_access, replace_file
path = Path(sys.argv[1])
for number in range(20):
    with exclusive_access(path, 60):
        lines = path.read_bytes() if path.exists() else b""
        replace_file(path, lines + f"{sys.argv[2]} {number}\\n".encode())
"""


def test_processes_that_change_a_file_at_once_lose_no_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD_LINES, str(path), name]) for name in "abcd"
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    expected = sorted(f"{name} {number}" for name in "abcd" for number in range(20))
    assert sorted(path.read_text().splitlines()) == expected
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_file_keeps_its_permissions_and_a_new_one_is_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    replace_file(path, b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    """The server of another user reads it."""
    path = tmp_path / "file"
    path.write_bytes(b"1")
    os.chown(path, 10_001, 10_002)
    replace_file(path, b"2")
    assert (path.stat().st_uid, path.stat().st_gid) == (10_001, 10_002)


def test_a_link_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link, file = tmp_path / "link", tmp_path / "folder" / "file"
    link.symlink_to(file)
    with exclusive_access(link, 1):
        replace_file(link, b"1")
    assert link.is_symlink()
    assert file.read_bytes() == b"1"


def test_the_file_is_on_the_disk_before_it_gets_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut there is the old file or the new one, never an empty one."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    steps: list[tuple[str, bytes]] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append((kind, path.read_bytes()))
        sync(descriptor)

    monkeypatch.setattr(file_replacement.os, "fsync", note)
    replace_file(path, b"new")
    assert steps == [("file", b"old"), ("folder", b"new")]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_replacement.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    with exclusive_access(tmp_path / "file", 0), pytest.raises(TimeoutError):  # noqa: SIM117
        with exclusive_access(tmp_path / "file", 0.05):
            pytest.fail("it was not exclusive")
    with exclusive_access(tmp_path / "file", 0):
        pass
