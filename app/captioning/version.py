"""Which code a caption was made by: what was stored under another one is not equal."""

import functools
import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).parent


@functools.cache
def answers_version() -> str:
    """12 hex digits over everything that shapes a caption besides its request.

    Prompts, styles, cleaning, rules, languages and the embedded captioner are the sources and TOML
    files of this package. Whoever changes one of them need not remember a number, and a caption
    that an older release stored never comes back under the new rules.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in (".py", ".toml"):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
