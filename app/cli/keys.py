"""`python -m app keys`: creates, lists and revokes API keys in a keys file."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.cli import exit_codes
from app.settings.keys_file import (
    KeyEntry,
    KeysFile,
    KeysFileError,
    generate_key,
    hash_key,
    read_keys_file,
    write_keys_file,
)
from app.settings.rate_limit import parse_rate_limits
from app.settings.settings import InvalidSettings, Settings


def create_key(file: Path | None, name: str, limit: str | None, days: int | None) -> int:
    """Add a key to the file, which is created where it does not exist, and print the key once."""
    path = _choose_path(file)
    content = _read(path) if path.exists() else KeysFile(keys=[])
    if any(entry.name == name for entry in content.keys):
        raise InvalidSettings(f"{path}: there is already a key named {name!r}; revoke it first")
    if limit is not None:
        try:
            parse_rate_limits(limit)
        except ValueError as error:
            raise InvalidSettings(str(error)) from None
    expires = None
    if days is not None:
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    key = generate_key()
    entry = KeyEntry(name=name, sha256=hash_key(key), limit=limit, expires=expires)
    write_keys_file(path, KeysFile(keys=[*content.keys, entry]))
    print(key)
    print(f"the hash is written to {path}; the key is shown only this once", file=sys.stderr)
    return exit_codes.OK


def list_keys(file: Path | None) -> int:
    """Print name, limit and expiry of every key."""
    for entry in _read(_choose_path(file)).keys:
        expires = entry.expires.isoformat() if entry.expires else "never"
        print(f"{entry.name}\tlimit {entry.limit or 'RATE_LIMIT'}\texpires {expires}")
    return exit_codes.OK


def revoke_key(file: Path | None, name: str) -> int:
    """Delete a key from the file."""
    path = _choose_path(file)
    content = _read(path)
    kept = [entry for entry in content.keys if entry.name != name]
    if len(kept) == len(content.keys):
        raise InvalidSettings(f"{path}: there is no key named {name!r}")
    write_keys_file(path, KeysFile(keys=kept))
    print(f"{name} is revoked", file=sys.stderr)
    return exit_codes.OK


def _choose_path(file: Path | None) -> Path:
    path = file or Settings.keys_file_path()
    if path is None:
        raise InvalidSettings("name the keys file: --file keys.json, or ALTWRIGHT_KEYS_FILE")
    return path


def _read(path: Path) -> KeysFile:
    try:
        return read_keys_file(path)
    except KeysFileError as error:
        raise InvalidSettings(str(error)) from None
