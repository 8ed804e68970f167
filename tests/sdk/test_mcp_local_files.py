"""Which local files an agent may send."""

import os
from pathlib import Path

import pytest
from altwright.errors import UnreadableImage, UsageError
from altwright.mcp.local_files import LocalFiles, is_picture
from PIL import Image

from testing.images import jpeg

PICTURE = jpeg()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An allowed folder with a picture, and a file beside the folder."""
    allowed = tmp_path / "pictures"
    (allowed / "more").mkdir(parents=True)
    (allowed / "mug.jpg").write_bytes(PICTURE)
    (allowed / "more" / "a mug.jpg").write_bytes(PICTURE)
    (tmp_path / "outside.jpg").write_bytes(PICTURE)
    return allowed


@pytest.fixture
def files(folder: Path) -> LocalFiles:
    return LocalFiles([folder])


@pytest.mark.parametrize("name", ["mug.jpg", "./mug.jpg", "more/a mug.jpg", "more/../mug.jpg"])
def test_a_picture_is_read_by_its_path(files: LocalFiles, folder: Path, name: str) -> None:
    assert files.read(name) == PICTURE
    assert files.read(str(folder / name)) == PICTURE


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_picture_is_read_by_its_file_url(files: LocalFiles, folder: Path, host: str) -> None:
    assert files.read(f"file://{host}{folder}/more/a%20mug.jpg") == PICTURE


def test_a_link_within_the_folder_is_followed(files: LocalFiles, folder: Path) -> None:
    (folder / "link.jpg").symlink_to(folder / "more/a mug.jpg")
    (folder / "linked").symlink_to(folder / "more", target_is_directory=True)
    assert files.read("link.jpg") == PICTURE
    assert files.read("linked/a mug.jpg") == PICTURE


def test_a_relative_path_is_looked_for_in_each_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "second/other.jpg").write_bytes(PICTURE)
    files = LocalFiles([folder, tmp_path / "second"])
    assert files.read("other.jpg") == files.read("mug.jpg") == PICTURE


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "/etc/no-such-file", "../outside.jpg", "../no-such-file.jpg",
        "more/../../outside.jpg", "file:///etc/passwd", "file:///../../etc/passwd", "/",
        "/dev/stdin", "/proc/self/environ",
        "pictures-of-others/../../../etc/passwd", "~/mug.jpg/..",
    ],
)  # fmt: skip
def test_a_file_outside_the_folders_is_refused(files: LocalFiles, folder: Path, name: str) -> None:
    """With the same sentence whether it exists or not."""
    if name == "~/mug.jpg/..":
        name = str(folder.parent)
    with pytest.raises(UnreadableImage) as refused:
        files.read(name)
    assert str(refused.value) == (
        f"{name} is refused: only pictures in {folder} may be read. The operator allows another "
        "folder with `altwright mcp --allow`."
    )


def test_a_folder_whose_name_begins_the_same_is_outside(folder: Path, files: LocalFiles) -> None:
    other = folder.with_name("pictures-of-others")
    other.mkdir()
    (other / "mug.jpg").write_bytes(PICTURE)
    with pytest.raises(UnreadableImage, match="is refused: only pictures in"):
        files.read(str(other / "mug.jpg"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.jpg", "/no-such-file", ".."])
def test_a_link_that_leads_outside_is_refused(files: LocalFiles, folder: Path, target: str) -> None:
    (folder / "link.jpg").symlink_to(target)
    with pytest.raises(UnreadableImage, match=r"link\.jpg is refused: only pictures in"):
        files.read("link.jpg")


def test_a_link_that_comes_after_the_check_is_not_followed(
    files: LocalFiles, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, or a folder on the way to it, is replaced between the check and the opening."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a mug.jpg").write_bytes(PICTURE)
    resolved = folder / "more" / "a mug.jpg"
    monkeypatch.setattr(LocalFiles, "_resolve", lambda *_: resolved)
    resolved.unlink()
    resolved.symlink_to(tmp_path / "secret/a mug.jpg")
    with pytest.raises(UnreadableImage, match="cannot be read"):
        files.read("more/a mug.jpg")
    resolved.unlink()
    resolved.parent.rmdir()
    resolved.parent.symlink_to(tmp_path / "secret", target_is_directory=True)
    with pytest.raises(UnreadableImage, match="cannot be read"):
        files.read("more/a mug.jpg")


@pytest.mark.parametrize(
    "content",
    [b"", b"root:x:0:0:root:/root:/bin/bash\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
     b"BM is how many words begin, and this text goes on", b"%PDF-1.7", b"\0\0\0\x18ftypmp42",
     b"RIFF\0\0\0\0WAVE"],
)  # fmt: skip
def test_a_file_that_is_no_picture_is_refused(
    files: LocalFiles, folder: Path, content: bytes
) -> None:
    (folder / "secret.jpg").write_bytes(content)
    with pytest.raises(UnreadableImage, match=r"secret\.jpg is refused: it does not begin as a"):
        files.read("secret.jpg")


def test_a_pipe_and_a_folder_are_refused(files: LocalFiles, folder: Path) -> None:
    """Opening a pipe that nobody writes to would wait for ever."""
    os.mkfifo(folder / "pipe.jpg")
    for name in ("pipe.jpg", "more", "."):
        with pytest.raises(UnreadableImage, match="is refused: it is no file"):
            files.read(name)


def test_what_is_wrong_with_a_name_or_a_file_is_said(files: LocalFiles, folder: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"There is no file no\.jpg"):
        files.read("no.jpg")
    with pytest.raises(UnreadableImage, match="no path of a file"):
        files.read("a\0b.jpg")
    with pytest.raises(UnreadableImage, match="without a host"):
        files.read(f"file://elsewhere{folder}/mug.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(UnreadableImage, match="no path of a file"):
        files.read("loop.jpg")
    with (folder / "large.jpg").open("wb") as large:
        large.write(PICTURE)
        large.truncate(65 * 2**20)
    with pytest.raises(UnreadableImage, match="has 65 MiB; the limit is 64"):
        files.read("large.jpg")


def test_without_a_folder_nothing_is_read(folder: Path) -> None:
    with pytest.raises(UnreadableImage, match="no folder is allowed"):
        LocalFiles([]).read(str(folder / "mug.jpg"))


def test_a_folder_that_there_is_not_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        LocalFiles([tmp_path / "no"])


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_each_format_that_a_server_takes_is_a_picture(tmp_path: Path, image_format: str) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (8, 8), "navy").save(path, image_format)
    assert is_picture(path.read_bytes()[:32])
