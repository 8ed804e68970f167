"""Which code a caption was made by: what was stored under another one is not equal."""

import functools
import hashlib
from pathlib import Path

_APP = Path(__file__).parents[1]
_PACKAGES = ("captioning", "validation", "vision")


@functools.cache
def caption_code_version() -> str:
    """12 hex digits over everything that shapes a caption besides its request.

    Prompts, styles, cleaning, rules, languages and the embedded captioner are the sources and TOML
    files of these packages. Whoever changes one of them need not remember a number, and a caption
    that an older release stored never comes back under the new rules.
    """
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_APP / package).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(path.relative_to(_APP).as_posix().encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
