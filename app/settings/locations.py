"""Settings that say where something is kept: a URL of Redis, a file, a folder."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def _check_redis_url(value: str) -> str:
    if not value.startswith(_REDIS_SCHEMES):
        raise ValueError("must be redis://host:port/db")
    return value


def _check_store_url(value: str) -> str:
    if not value.startswith(("memory://", *_REDIS_SCHEMES)):
        raise ValueError("must be memory:// or redis://host:port/db")
    return value


def _check_redis_url_or_file(value: str) -> str:
    path = Path(value)
    if not value.startswith(_REDIS_SCHEMES) and (
        "://" in value or path.is_dir() or not os.access(path.parent, os.W_OK)
    ):
        raise ValueError(
            "must be a file in a folder that can be written to, or redis://host:port/db"
        )
    return value


def _check_writable_folder(value: Path) -> Path:
    if not value.is_dir() or not os.access(value, os.W_OK | os.X_OK):
        raise ValueError("is not a folder that can be written to; create it, or unset the variable")
    return value


RedisUrl = Annotated[str, AfterValidator(_check_redis_url)]
StoreUrl = Annotated[str, AfterValidator(_check_store_url)]
"""A Redis, or this process's memory."""
RedisUrlOrFile = Annotated[str, AfterValidator(_check_redis_url_or_file)]
WritableFolder = Annotated[Path, AfterValidator(_check_writable_folder)]
