"""The options of a client: API key, address, timeout and retries, validated once."""

from __future__ import annotations

import dataclasses
import enum
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from altwright.errors import UsageError

KEY_VARIABLE = "ALTWRIGHT_API_KEY"
URL_VARIABLE = "ALTWRIGHT_URL"
DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 30.0
DEFAULT_MAX_RETRIES = 2
DEFAULT_PATIENCE_S = 300.0
"""Of caption_many: long enough to wait for a rate limit per minute to reset."""


class Unset(enum.Enum):
    """The type of UNSET: an argument that was not passed, where None has a meaning."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Validated options. `repr` does not show the API key."""

    base_url: str
    """Without a slash at the end."""
    api_key: str | None = field(repr=False)
    timeout_s: float | None
    """For a whole call, retries included; None for no limit."""
    max_retries: int

    @classmethod
    def from_arguments(
        cls, api_key: str | None, base_url: str | None, timeout: float | None, max_retries: int
    ) -> ClientOptions:
        """From a client's arguments, and the environment for those that are None.

        Raises UsageError with a sentence that does not show the key.
        """
        if api_key is None:
            api_key = os.environ.get(KEY_VARIABLE)
        if base_url is None:
            base_url = os.environ.get(URL_VARIABLE) or DEFAULT_URL
        return cls(
            base_url=_checked_url(base_url),
            api_key=_checked_key(api_key),
            timeout_s=_checked_timeout(timeout),
            max_retries=_checked_retries(max_retries),
        )

    def with_changes(self, **changes: object) -> ClientOptions:
        """A copy with the client arguments that are passed; UNSET ones stay as they are."""
        checks: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "api_key": ("api_key", _checked_key),
            "base_url": ("base_url", _checked_url),
            "timeout": ("timeout_s", _checked_timeout),
            "max_retries": ("max_retries", _checked_retries),
        }
        passed = {name: value for name, value in changes.items() if value is not UNSET}
        new = {checks[name][0]: checks[name][1](value) for name, value in passed.items()}
        return dataclasses.replace(self, **new)

    def describe(self) -> str:
        """The options as `repr` of a client shows them."""
        key = "no key" if self.api_key is None else "a key"
        return f"{self.base_url!r}, {key}, timeout={self.timeout_s}, max_retries={self.max_retries}"


def _checked_key(key: str | None) -> str | None:
    # A key that was read from a file ends with a newline, which no header may contain.
    stripped = (key or "").strip()
    if not stripped:
        return None
    if not (stripped.isascii() and stripped.isprintable()) or " " in stripped:
        raise UsageError("The API key contains a space or a character that is not allowed.")
    return stripped


def _checked_url(url: str) -> str:
    example = "base_url must be the server's address, for instance https://captions.example.com"
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise UsageError(f"{example}; the given one is not a valid URL.") from None
    if "@" in parts.netloc:
        raise UsageError(f"{example}, without user or password: pass the key as api_key.")
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{example}; the given one is not an http(s):// URL.")
    if parts.query or parts.fragment:
        raise UsageError(f"{example}, without ? and #.")
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/')}"


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is not None and not 0 < timeout < float("inf"):
        raise UsageError(f"timeout must be a number of seconds over 0, or None; not {timeout!r}.")
    return timeout


def _checked_retries(count: int) -> int:
    if count < 0:
        raise UsageError(f"max_retries must be 0 or more, not {count!r}.")
    return count
