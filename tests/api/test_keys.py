"""Keys are hashed, limited, expire, and are reread when the file changes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.api.keys import (
    KeyEntry,
    KeysDocument,
    KeysFileError,
    KeyStore,
    digest_of,
    new_key,
    read_keys_file,
    write_keys_file,
)


def entry(name: str, key: str, **more: object) -> KeyEntry:
    return KeyEntry.model_validate({"name": name, "sha256": digest_of(key), **more})


def test_only_a_right_key_is_found() -> None:
    ring = KeyStore(["one", "two"], None)
    assert not ring.is_open
    assert ring.find("two") is not None
    for wrong in ("three", "", None, "ONE", "one "):
        assert ring.find(wrong) is None


def test_without_any_key_the_ring_is_open() -> None:
    assert KeyStore([], None).is_open


def test_an_empty_file_of_keys_lets_nobody_in(tmp_path: Path) -> None:
    """An operator who revoked the last key did not open the server."""
    file = tmp_path / "keys.json"
    write_keys_file(file, KeysDocument(keys=[]))
    ring = KeyStore([], file)
    assert not ring.is_open
    assert ring.find("anything") is None


def test_an_expired_key_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    past, future = (datetime.now(UTC) + timedelta(days=d) for d in (-1, 1))
    write_keys_file(
        file,
        KeysDocument(keys=[entry("old", "o", expires=past), entry("new", "n", expires=future)]),
    )
    ring = KeyStore([], file)
    assert ring.find("o") is None
    assert ring.find("n") is not None


def test_a_changed_file_is_reread_and_a_broken_one_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    write_keys_file(file, KeysDocument(keys=[entry("a", "a", limit="5/minute")]))
    ring = KeyStore([], file)
    found = ring.find("a")
    assert found is not None
    assert (found.name, found.limit) == ("a", "5/minute")

    write_keys_file(file, KeysDocument(keys=[entry("b", "b")]))
    assert ring.find("a") is None
    assert ring.find("b") is not None

    file.write_text("{half", encoding="utf-8")
    assert ring.find("b") is not None
    assert ring.find("a") is None


def test_the_file_never_holds_a_key_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = new_key()
    write_keys_file(file, KeysDocument(keys=[entry("a", key)]))
    assert key not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        json.dumps({"keys": [{"name": "a"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "short"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "0" * 64, "limit": "often"}]}),
        json.dumps({"keys": [{"name": "a", "sha256": "0" * 64, "expires": "2027-01-01T00:00:00"}]}),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(KeysFileError) as told:
        read_keys_file(file)
    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)
