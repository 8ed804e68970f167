"""Keys are found by hash, expire, and are reread when the keys file changes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.api.keys import Caller, KeyStore
from app.settings.keys_file import KeyEntry, KeysFile, hash_key, write_keys_file


def create_entry(name: str, key: str, **more: object) -> KeyEntry:
    return KeyEntry.model_validate({"name": name, "sha256": hash_key(key), **more})


def test_only_a_configured_key_finds_a_caller() -> None:
    store = KeyStore(["one", "two"], None)
    assert not store.allows_anonymous
    assert store.find_caller("two") is not None
    for wrong in ("three", "", None, "ONE", "one "):
        assert store.find_caller(wrong) is None


def test_without_any_key_callers_are_anonymous() -> None:
    assert KeyStore([], None).allows_anonymous


def test_an_empty_keys_file_refuses_every_caller(tmp_path: Path) -> None:
    """An operator who revoked the last key has not opened the server to everyone."""
    path = tmp_path / "keys.json"
    write_keys_file(path, KeysFile(keys=[]))
    store = KeyStore([], path)
    assert not store.allows_anonymous
    assert store.find_caller("anything") is None


def test_an_expired_key_finds_no_caller(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    past, future = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    entries = [create_entry("old", "o", expires=past), create_entry("new", "n", expires=future)]
    write_keys_file(path, KeysFile(keys=entries))
    store = KeyStore([], path)
    assert store.find_caller("o") is None
    assert store.find_caller("n") is not None


def test_a_changed_file_is_reread_and_an_invalid_one_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys_file(
        path, KeysFile(keys=[create_entry("a", "a", limit="5/minute", quota="9/month")])
    )
    store = KeyStore([], path)
    found = store.find_caller("a")
    assert found is not None
    assert (found.name, found.rate_limit, found.quota) == ("a", "5/minute", 9)

    write_keys_file(path, KeysFile(keys=[create_entry("b", "b")]))
    assert store.find_caller("a") is None
    assert store.find_caller("b") is not None

    path.write_text("{half", encoding="utf-8")
    assert store.find_caller("b") is not None
    assert store.find_caller("a") is None


def test_a_half_written_file_takes_no_quota_away(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys_file(path, KeysFile(keys=[create_entry("a", "a", quota="0/month")]))
    store = KeyStore([], path)
    whole = path.read_text(encoding="utf-8")
    for length in range(0, len(whole) - 2, 7):
        path.write_text(whole[:length], encoding="utf-8")
        found = store.find_caller("a")
        assert found is not None
        assert found.quota == 0


def test_callers_without_a_key_have_one_usage_and_a_key_has_its_own() -> None:
    assert Caller("address:192.0.2.1", is_anonymous=True).usage_name == "anonymous"
    assert Caller("address:192.0.2.1").usage_name == "address:192.0.2.1"
