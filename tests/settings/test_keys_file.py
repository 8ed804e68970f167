"""The keys file holds hashes, is private to its owner, and is refused whole where it is wrong."""

import json
import os
from pathlib import Path

import pytest

from app.settings.keys_file import (
    KeyEntry,
    KeysFile,
    KeysFileError,
    generate_key,
    hash_key,
    read_keys_file,
    write_keys_file,
)


def test_the_file_never_holds_a_key_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = generate_key()
    write_keys_file(path, KeysFile(keys=[KeyEntry(name="shop", sha256=hash_key(key))]))
    assert key not in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0
    [entry] = read_keys_file(path).keys
    assert (entry.name, entry.sha256) == ("shop", hash_key(key))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        json.dumps({"keys": [{"name": "a"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "short"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "0" * 64, "limit": "often"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "0" * 64, "quota": "10000"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "0" * 64, "expires": "2027-01-01T00:00:00"}]}),
    ],
)
def test_an_invalid_file_is_described_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KeysFileError) as raised:
        read_keys_file(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_pipe_or_a_large_file_is_refused_at_once(tmp_path: Path) -> None:
    """Reading a pipe would wait for its writer, and with it every request."""
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(2 * 1024**3)
    for path, reason in ((pipe, "not a regular file"), (large, "larger than")):
        with pytest.raises(KeysFileError, match=reason) as raised:
            read_keys_file(path)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", " ", "a\u202eb"])
def test_a_name_is_one_line_of_printable_characters(name: str) -> None:
    """It stands in every log line of its caller."""
    with pytest.raises(ValueError, match="printable"):
        KeyEntry(name=name, sha256="0" * 64)


def test_a_deeply_nested_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"keys":' + "[" * 100_000, encoding="utf-8")
    with pytest.raises(KeysFileError):
        read_keys_file(path)


def test_two_entries_with_one_key_are_refused(tmp_path: Path) -> None:
    """It would depend on their order whose quota and expiry count."""
    path = tmp_path / "keys.json"
    entries = [
        {"name": "a", "sha256": "0" * 64, "quota": "1/month"},
        {"name": "b", "sha256": "0" * 64},
    ]
    path.write_text(json.dumps({"keys": entries}), encoding="utf-8")
    with pytest.raises(KeysFileError, match="the file: 'a' and 'b' have the same sha256"):
        read_keys_file(path)
