"""What of a model server's text may be logged.

A server may send back all that it was sent: the context, the key, the image, in any spelling
(percent-encoded, base64, escaped, in another case). So nothing of it is logged but words from a
list, and numbers that count something. Whatever else is in the text becomes one `…`.
"""

import functools
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

_MAX_CHARS = 200
_MAX_READ_CHARS = 2_000
_MAX_CODES = 4
_PUNCTUATION = ".,:;!?()[]{}<>\"'`*"
_NUMBER = re.compile(r"[0-9]{1,7}")
_COUNTED = frozenset({
    "bytes", "characters", "credits", "days", "hours", "images", "kb", "mb", "messages",
    "milliseconds", "minutes", "ms", "pixels", "px", "requests", "seconds", "tokens",
})  # fmt: skip
_WORD_PARTS = re.compile(r"[_./:-]+")


def loggable_message(message: str) -> str:
    """The words of an error message that say what kind of error it is."""
    words = message[:_MAX_READ_CHARS].split()
    bare = [word.strip(_PUNCTUATION) for word in words]
    shown: list[str] = []
    for word, following in itertools.zip_longest(bare, bare[1:], fillvalue=""):
        is_count = _NUMBER.fullmatch(word) is not None and following.lower() in _COUNTED
        if is_count or is_loggable(word):
            shown.append(word)
        elif shown[-1:] != ["…"]:
            shown.append("…")
    text = " ".join(shown)
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "…"


def loggable_codes(codes: Iterable[str]) -> list[str]:
    """The machine-readable codes that are made of words from the list."""
    return sorted(filter(is_loggable, codes))[:_MAX_CODES]


def is_loggable(word: str) -> bool:
    """Whether a word, or each part of a code such as `model_not_found`, is in the list."""
    parts = _WORD_PARTS.split(word.lower())
    return all(part in _words() for part in parts)


@functools.cache
def _words() -> frozenset[str]:
    lines = Path(__file__).with_name("loggable_words.txt").read_text(encoding="ascii").splitlines()
    return (
        frozenset(word for line in lines if not line.startswith("#") for word in line.split())
        | _COUNTED
    )
