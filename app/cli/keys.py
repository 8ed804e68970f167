"""`python -m app keys`: creates, lists, rotates and revokes API keys in a keys file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from app.cli import exit_codes
from app.settings.invalid_settings import InvalidSettings
from app.settings.keys_file import (
    KeyEntry,
    KeysFile,
    KeysFileError,
    changing_keys_file,
    generate_key,
    hash_key,
    read_keys_file,
    write_keys_file,
)
from app.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """What the holder of a key may do, and for how long."""

    limit: str | None
    """None: RATE_LIMIT."""
    quota: str | None
    """None: any number of captions."""
    days: int | None
    """None: for ever."""


def create_key(file: Path | None, name: str, options: KeyOptions) -> int:
    """Add a key to the file, which is created where it does not exist, and print the key once."""
    path = _choose_path(file)
    key = generate_key()
    with _changing(path):
        content = _read(path) if path.exists() else KeysFile(keys=[])
        if any(entry.name == name for entry in content.keys):
            hint = f"revoke it first, or replace it with `keys rotate {name}`"
            raise InvalidSettings(f"{path}: there is already a key named {name!r}; {hint}")
        write_keys_file(path, KeysFile(keys=[*content.keys, _new_entry(name, key, options)]))
    _print_key(key, path)
    return exit_codes.OK


def list_keys(file: Path | None) -> int:
    """Print name, limit, quota and expiry of every key."""
    for entry in _read(_choose_path(file)).keys:
        expires = entry.expires.isoformat() if entry.expires else "never"
        print(
            f"{entry.name}\tlimit {entry.limit or 'RATE_LIMIT'}\tquota {entry.quota or 'none'}\t"
            f"expires {expires}"
        )
    return exit_codes.OK


def rotate_key(file: Path | None, name: str, overlap: timedelta) -> int:
    """Add a second key of this name, and let the present one expire after `overlap`.

    Limit, quota and expiry stay, and both keys are counted under one name.
    """
    path = _choose_path(file)
    key = generate_key()
    with _changing(path):
        now = _now()
        until = now + overlap
        content = _read(path)
        valid = [
            entry
            for entry in content.keys
            if entry.name == name and (entry.expires is None or entry.expires > now)
        ]
        if not valid:
            raise InvalidSettings(f"{path}: there is no valid key named {name!r}; create one")
        rotated = valid[-1].model_copy(update={"sha256": hash_key(key)})
        others = [entry for entry in content.keys if entry.name != name]
        ending = [
            entry.model_copy(update={"expires": until})
            if entry.expires is None or entry.expires > until
            else entry
            for entry in valid
        ]
        write_keys_file(path, KeysFile(keys=[*others, *ending, rotated]))
    _print_key(key, path)
    print(f"the old key of {name} is valid until {until.isoformat()}", file=sys.stderr)
    return exit_codes.OK


def revoke_key(file: Path | None, name: str) -> int:
    """Delete a key from the file; of a rotated one both keys."""
    path = _choose_path(file)
    with _changing(path):
        content = _read(path)
        kept = [entry for entry in content.keys if entry.name != name]
        if len(kept) == len(content.keys):
            raise InvalidSettings(f"{path}: there is no key named {name!r}")
        write_keys_file(path, KeysFile(keys=kept))
    print(f"{name} is revoked", file=sys.stderr)
    return exit_codes.OK


def _new_entry(name: str, key: str, options: KeyOptions) -> KeyEntry:
    expires = None if options.days is None else _now() + timedelta(days=options.days)
    try:
        return KeyEntry(
            name=name,
            sha256=hash_key(key),
            limit=options.limit,
            quota=options.quota,
            expires=expires,
        )
    except ValidationError as error:
        message = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise InvalidSettings(message.removeprefix("Value error, ")) from None


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    try:
        with changing_keys_file(path):
            yield
    except KeysFileError as error:
        raise InvalidSettings(str(error)) from None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _print_key(key: str, path: Path) -> None:
    print(key)
    print(f"the hash is written to {path}; the key is shown only this once", file=sys.stderr)


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
