"""Where the command finds the server and the key: options, environment, config file, in this order.

The file is `$XDG_CONFIG_HOME/altwright/config.toml` (~/.config by default), with `base_url` and
`api_key`. A key in the file is sent only to the `base_url` in the file.
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

_SETTINGS = ("api_key", "base_url")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The server's address and the key for it (empty: none)."""

    base_url: str
    api_key: str = field(repr=False)


def config_path() -> Path:
    """Where the config file is or would be."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "altwright" / "config.toml"


def resolve_server(base_url: str | None) -> ServerConfig:
    """The server to use; `base_url` is the option's value. Raises UsageError."""
    path = config_path()
    file = _read_file(path)
    chosen = base_url or os.environ.get(URL_VARIABLE) or file.get("base_url") or DEFAULT_URL
    key = os.environ.get(KEY_VARIABLE, "")
    if not key and "api_key" in file:
        url_of_key = file.get("base_url", chosen)
        key = file["api_key"] if url_of_key.rstrip("/") == chosen.rstrip("/") else ""
    return ServerConfig(chosen, key)


def _read_file(path: Path) -> dict[str, str]:
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
        if name not in _SETTINGS:
            raise UsageError(f"{path}: unknown setting {name!r}; use {' or '.join(_SETTINGS)}.")
        if not isinstance(value, str):
            raise UsageError(f"{path}: {name} must be a string in quotes.")
    if "api_key" in data and os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{path} contains a key and other users can read it: chmod 600 {path}")
    return data
