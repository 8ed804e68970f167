"""Version of the code that makes captions, part of every cache key."""

import functools
import hashlib
from pathlib import Path

_APP = Path(__file__).parents[1]
_PACKAGES = ("captioning", "imaging", "validation", "verification", "vision")


@functools.cache
def caption_code_version() -> str:
    """12 hex digits of a hash over all sources and TOML files that shape a caption.

    A change of a prompt, style, rule, language or of the image that is sent changes it without a
    number to maintain, so a caption that older code stored is never returned by newer code.
    """
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_APP / package).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(path.relative_to(_APP).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
