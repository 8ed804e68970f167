"""What a client was told: key, address, patience. Read once, when it is made."""

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
"""For an item of caption_many: a limit by the minute is waited out."""


class Unset(enum.Enum):
    """Stands for an argument that was not named, where None means something."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Valid settings; the key does not show in `repr`."""

    base_url: str
    """Without a slash at its end."""
    api_key: str | None = field(repr=False)
    timeout_s: float | None
    """For a whole call; None: as long as it takes."""
    max_retries: int

    @classmethod
    def of(
        cls, api_key: str | None, base_url: str | None, timeout: float | None, max_retries: int
    ) -> ClientOptions:
        """From the arguments of a client and, where they are None, the environment.

        Raises UsageError with a sentence that shows no key.
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

    def changed(self, **changes: object) -> ClientOptions:
        """A copy that differs in the arguments of a client that are named; UNSET ones are not."""
        checks: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "api_key": ("api_key", _checked_key),
            "base_url": ("base_url", _checked_url),
            "timeout": ("timeout_s", _checked_timeout),
            "max_retries": ("max_retries", _checked_retries),
        }
        named = {name: value for name, value in changes.items() if value is not UNSET}
        new = {checks[name][0]: checks[name][1](value) for name, value in named.items()}
        return dataclasses.replace(self, **new)

    def shown(self) -> str:
        """For `repr` of a client."""
        key = "no key" if self.api_key is None else "a key"
        return f"{self.base_url!r}, {key}, timeout={self.timeout_s}, max_retries={self.max_retries}"


def _checked_key(key: str | None) -> str | None:
    # A key that was read from a file has a newline at its end, which no header may have.
    stripped = (key or "").strip()
    if not stripped:
        return None
    if not (stripped.isascii() and stripped.isprintable()) or " " in stripped:
        raise UsageError("The API key holds a space or a character that no key has: copy it again.")
    return stripped


def _checked_url(url: str) -> str:
    wrong = "base_url is where the server listens, for instance https://captions.example.com"
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise UsageError(f"{wrong}; the one given is broken.") from None
    if "@" in parts.netloc:
        raise UsageError(f"{wrong}, without a user or password: hand the key in as api_key.")
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{wrong}; the one given is no http(s):// URL.")
    if parts.query or parts.fragment:
        raise UsageError(f"{wrong}, without ? and #.")
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/')}"


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is not None and not 0 < timeout < float("inf"):
        raise UsageError(f"timeout is a number of seconds over 0, or None; not {timeout!r}.")
    return timeout


def _checked_retries(count: int) -> int:
    if count < 0:
        raise UsageError(f"max_retries is 0 or more, not {count!r}.")
    return count
