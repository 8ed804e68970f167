"""Where the command finds the server and the key: options, environment, config file, in this order.

The file is `$XDG_CONFIG_HOME/altwright/config.toml` (by default ~/.config), with `base_url` and
`api_key`. A key in it is for its own `base_url` alone: it is not sent to another one.
"""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altwright.client_options import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE
from altwright.errors import UsageError

_KNOWN = ("api_key", "base_url")


@dataclass(frozen=True, slots=True)
class Server:
    """Which server, with which key (empty: none)."""

    base_url: str
    api_key: str = field(repr=False)


def config_path() -> Path:
    """Where the file is, whether it is there or not."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "altwright" / "config.toml"


def find_server(base_url: str | None) -> Server:
    """The server to ask; `base_url` is the option's. Raises UsageError with one sentence."""
    path = config_path()
    written = _read(path)
    chosen = base_url or os.environ.get(URL_VARIABLE) or written.get("base_url") or DEFAULT_URL
    key = os.environ.get(KEY_VARIABLE, "")
    if not key and "api_key" in written:
        its_own = written.get("base_url", chosen)
        key = written["api_key"] if its_own.rstrip("/") == chosen.rstrip("/") else ""
    return Server(chosen, key)


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data: dict[str, Any] = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from None
    for name, value in data.items():
        if name not in _KNOWN:
            raise UsageError(f"{path}: {name!r} is no setting; known are {' and '.join(_KNOWN)}.")
        if not isinstance(value, str):
            raise UsageError(f"{path}: {name} has to be a string in quotes.")
    if "api_key" in data and os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{path} holds a key and others may read it: chmod 600 {path}")
    return data
