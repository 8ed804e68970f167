"""API keys: finds the caller that a key belongs to."""

import hmac
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.settings.keys_file import KeyEntry, KeysFileError, hash_key, read_keys_file

_logger = logging.getLogger(__name__)

ANONYMOUS = "anonymous"
"""The usage of callers without a key."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: the name in logs and rate limits, and the caller's own limits."""

    name: str
    rate_limit: str | None = None
    """None: RATE_LIMIT applies."""
    quota: int | None = None
    """Captions in a month; None: as many as it likes."""
    is_anonymous: bool = False
    """No key is configured, and the name is an address."""

    @property
    def usage_name(self) -> str:
        """The name under which usage is counted: all callers without a key together."""
        return ANONYMOUS if self.is_anonymous else self.name


class KeyStore:
    """The configured keys: those of API_KEYS, and those of the keys file, reread when it changes.

    Only hashes are kept and compared.
    """

    def __init__(self, keys: Iterable[str], file: Path | None) -> None:
        """Raises KeysFileError where the keys file cannot be used at the start."""
        self._fixed_entries = [
            KeyEntry(name=f"key-{index}", sha256=hash_key(key))
            for index, key in enumerate(keys, start=1)
        ]
        self._file = file
        self._file_version: tuple[int, int, int] | None = None
        self._entries = list(self._fixed_entries)
        if file is not None:
            self._file_version = _read_file_version(file)
            self._entries = [*self._fixed_entries, *read_keys_file(file).keys]

    @property
    def allows_anonymous(self) -> bool:
        """Whether callers need no key, because none is configured."""
        return not self._fixed_entries and self._file is None

    def __len__(self) -> int:
        """The number of keys, expired ones included."""
        return len(self._entries)

    def find_caller(self, key: str | None) -> Caller | None:
        """The caller with this key. None where the key is missing, wrong or expired."""
        self._reread_if_changed()
        key_hash = hash_key(key or "")
        found: KeyEntry | None = None
        for entry in self._entries:
            # Every entry is compared, also after a match, so that the time reveals nothing.
            if hmac.compare_digest(entry.sha256, key_hash) and key:
                found = entry
        if found is None or (found.expires is not None and found.expires <= datetime.now(UTC)):
            return None
        return Caller(found.name, found.limit, found.quota_captions)

    def _reread_if_changed(self) -> None:
        if self._file is None or (version := _read_file_version(self._file)) == self._file_version:
            return
        self._file_version = version
        try:
            self._entries = [*self._fixed_entries, *read_keys_file(self._file).keys]
        except KeysFileError as error:
            # A half-written file must neither refuse every caller nor accept anyone. The last
            # valid keys stay until the file changes again.
            _logger.warning("keys_file.invalid", extra={"reason": str(error)})
        else:
            _logger.info("keys_file.reread", extra={"keys": len(self._entries)})


def _read_file_version(path: Path) -> tuple[int, int, int] | None:
    """Modification time, size and inode: they change when the file is replaced or edited."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
