"""API keys: who may call, with which limit, until when. Only hashes are kept and compared."""

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.api.rate_limits import parse_limits

_logger = logging.getLogger(__name__)


class KeysFileError(ValueError):
    """The file of keys cannot be used; its one line names the file and the mend."""


class KeyEntry(BaseModel):
    """One key in the file: never the key itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    limit: str | None = None
    """Such as `60/minute;5000/day`; none: RATE_LIMIT."""
    expires: AwareDatetime | None = None

    @field_validator("limit")
    @classmethod
    def _is_a_limit(cls, value: str | None) -> str | None:
        if value is not None:
            parse_limits(value)
        return value


class KeysDocument(BaseModel):
    """The whole file: `{"keys": [...]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: list[KeyEntry]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as limits and logs know them."""

    name: str
    limit: str | None = None


def digest_of(key: str) -> str:
    """SHA-256 in hex.

    A plain hash is enough: keys are 32 random bytes, so there is nothing that a slow hash would
    protect from guessing.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    """A fresh key: 256 random bits behind a prefix that secret scanners can find."""
    return "altw_" + secrets.token_urlsafe(32)


def read_keys_file(path: Path) -> KeysDocument:
    """The file's entries. Raises KeysFileError."""
    try:
        return KeysDocument.model_validate_json(path.read_bytes())
    except OSError as error:
        raise KeysFileError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise KeysFileError(f"{path}: {where}: {first['msg']}") from None


def write_keys_file(path: Path, document: KeysDocument) -> None:
    """Replace the file in one step, readable by its owner only."""
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    text = json.dumps(document.model_dump(mode="json", exclude_none=True), indent=2)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


class KeyStore:
    """Finds the caller behind a key; rereads the file when it changes."""

    def __init__(self, keys: Iterable[str], file: Path | None) -> None:
        """Raises KeysFileError where the file cannot be used at the start."""
        self._fixed = [
            KeyEntry(name=f"key-{index}", sha256=digest_of(key))
            for index, key in enumerate(keys, start=1)
        ]
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._entries = list(self._fixed)
        if file is not None:
            self._stamp = _stamp_of(file)
            self._entries = [*self._fixed, *read_keys_file(file).keys]

    @property
    def is_open(self) -> bool:
        """No key is configured at all, so callers need none."""
        return not self._fixed and self._file is None

    def __len__(self) -> int:
        """How many keys there are, expired ones included."""
        return len(self._entries)

    def find(self, key: str | None) -> Caller | None:
        """The caller, or None for no, a wrong or an expired key; each costs the same."""
        self._reread()
        digest = digest_of(key or "")
        found: KeyEntry | None = None
        for entry in self._entries:
            # Every entry is compared, whether or not one matched before: the time tells nothing.
            if hmac.compare_digest(entry.sha256, digest) and key:
                found = entry
        if found is None or (found.expires is not None and found.expires <= datetime.now(UTC)):
            return None
        return Caller(found.name, found.limit)

    def _reread(self) -> None:
        if self._file is None or (stamp := _stamp_of(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = [*self._fixed, *read_keys_file(self._file).keys]
        except KeysFileError as error:
            # A half-written file must neither lock everyone out nor let anyone in: the last good
            # list stays until the file changes again.
            _logger.warning("the keys file cannot be used; the last good one stays: %s", error)
        else:
            _logger.info("keys reread", extra={"keys": len(self._entries)})


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
