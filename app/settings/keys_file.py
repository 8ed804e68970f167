"""The keys file that KEYS_FILE names: API keys as hashes, with name, rate limit and expiry."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from app.runtime.file_replacement import exclusive_access, replace_file
from app.runtime.regular_file import UnreadableFile, read_regular_file
from app.settings.quota import parse_quota
from app.settings.rate_limit import parse_rate_limits

_MAX_BYTES = 4 * 1024 * 1024
"""Twenty thousand keys."""
_LOCK_TIMEOUT_S = 10.0


class KeysFileError(ValueError):
    """The keys file cannot be used. The message is one line: the file, what is wrong and where."""


class KeyEntry(BaseModel):
    """One key in the file. It holds the key's hash, never the key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    """The caller's name in logs and rate limits."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    limit: str | None = None
    """For instance `60/minute;5000/day`. None: RATE_LIMIT applies."""
    quota: str | None = None
    """Captions in a calendar month, for instance `10000/month`. None: no quota."""
    expires: AwareDatetime | None = None

    @property
    def quota_captions(self) -> int | None:
        """The number that `quota` names."""
        return None if self.quota is None else parse_quota(self.quota)

    @field_validator("name")
    @classmethod
    def _validate_name(cls, value: str) -> str:
        if not value.isprintable() or not value.strip():
            raise ValueError("a name is one line of printable characters")
        return value

    @field_validator("limit")
    @classmethod
    def _validate_limit(cls, value: str | None) -> str | None:
        if value is not None:
            parse_rate_limits(value)
        return value

    @field_validator("quota")
    @classmethod
    def _validate_quota(cls, value: str | None) -> str | None:
        if value is not None:
            parse_quota(value)
        return value


class KeysFile(BaseModel):
    """The content of the file: `{"keys": [...]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: list[KeyEntry]

    @model_validator(mode="after")
    def _validate_hashes(self) -> Self:
        """One key is one caller: with two it would depend on their order whose quota counts."""
        names: dict[str, str] = {}
        for entry in self.keys:
            if entry.sha256 in names:
                raise ValueError(
                    f"{names[entry.sha256]!r} and {entry.name!r} have the same sha256: each entry "
                    "needs a key of its own"
                )
            names[entry.sha256] = entry.name
        return self


def generate_key() -> str:
    """A new API key: 256 random bits after a prefix that secret scanners can find."""
    return "altw_" + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """SHA-256 in hex.

    A slow password hash is not needed: a key has 256 random bits, so it cannot be guessed from
    its hash.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys_file(path: Path) -> KeysFile:
    """The content of the keys file. Raises KeysFileError."""
    try:
        return KeysFile.model_validate_json(read_regular_file(path, _MAX_BYTES))
    except UnreadableFile as error:
        raise KeysFileError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise KeysFileError(f"{path}: {where}: {message}") from None


@contextmanager
def changing_keys_file(path: Path) -> Iterator[None]:
    """Read and write the file in this block: of two commands at once, none loses what one wrote.

    Raises KeysFileError where the file cannot be written.
    """
    try:
        with exclusive_access(path, _LOCK_TIMEOUT_S):
            yield
    except OSError as error:
        raise KeysFileError(f"{path}: cannot be written ({error.strerror or error})") from None


def write_keys_file(path: Path, content: KeysFile) -> None:
    """Replace the file as a whole. A new one can be read by its owner alone."""
    text = json.dumps(content.model_dump(mode="json", exclude_none=True), indent=2)
    replace_file(path, f"{text}\n".encode())
