"""Text from the caller, quoted for the prompt.

It becomes a JSON string on one line, in which nothing can be read as markup, as a mark of a chat
template (`<|im_start|>`, `[INST]`, `{{...}}`, `### Instruction`, `</s>`) or as text that a person
would not see. Words, accents and emoji stay as they are.
"""

import json
import re
import unicodedata
from collections.abc import Sequence

_RESERVED = re.compile(r"[<>`\[\]{}]")
"""Every chat template begins its marks with one of these. They are written as JSON escapes."""
_HEADING = re.compile(r"[#\uff03\ufe5f]{2,}")
_LINE_SEPARATORS = frozenset("\u2028\u2029\x85")
_KEPT_CONTROLS = frozenset("\t\n\r")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})
"""Controls, invisible format characters (bidirectional overrides, zero-width ones, tags), halves of
characters, and private use."""
_VISIBLE_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Format characters that are drawn: Arabic signs under numbers, and the like."""
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_NON_CHARACTERS = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ZWNJ, _ZWJ = "\u200c", "\u200d"
_FIRST_JOINING, _LAST_JOINING = "\u0600", "\u1cff"
"""Arabic to Vedic: Persian, Urdu and the scripts of India spell words with joiners."""


def quote(text: str) -> str:
    """The text as a JSON string."""
    return '"' + "".join(map(_escape, clean(text))) + '"'


def quote_all(texts: Sequence[str]) -> str:
    """The texts as a JSON list of strings."""
    return "[" + ", ".join(map(quote, texts)) + "]"


def clean(text: str) -> str:
    """The text without what a person would not see. Runs of `#` become one."""
    kept: list[str] = []
    for index, char in enumerate(text):
        before = text[index - 1] if index else ""
        after = text[index + 1 : index + 2]
        if _is_kept(char, before, after):
            kept.append(char)
    return _HEADING.sub("#", "".join(kept))


def _is_kept(char: str, before: str, after: str) -> bool:
    if char.isascii():
        return char in _KEPT_CONTROLS or char.isprintable()
    if char in (_ZWNJ, _ZWJ):
        is_in_word = _is_joining(before) and (_is_joining(after) or not after.strip())
        return is_in_word or (char == _ZWJ and _is_emoji(before) and _is_emoji(after))
    if _VARIATION_SELECTORS.match(char):  # one after a character; a row of them can spell a text
        is_after_one = _VARIATION_SELECTORS.match(before) is not None
        return bool(before.strip()) and not is_after_one and before not in (_ZWNJ, _ZWJ)
    if char in _BLANK_LETTERS or _NON_CHARACTERS.match(char):
        return False
    if char in _LINE_SEPARATORS or char in _VISIBLE_FORMATS:
        return True
    return unicodedata.category(char) not in _DROPPED_CATEGORIES


def _is_joining(char: str) -> bool:
    return _FIRST_JOINING <= char <= _LAST_JOINING and unicodedata.category(char)[0] in "LM"


def _is_emoji(char: str) -> bool:
    return unicodedata.category(char) in ("So", "Sk", "Mn") if char else False


def _escape(char: str) -> str:
    """A character of a JSON string. Also wide and small forms of reserved ones are escaped."""
    if char.isascii() and not _RESERVED.match(char):
        return json.dumps(char)[1:-1]
    if char in _LINE_SEPARATORS or _RESERVED.search(unicodedata.normalize("NFKC", char)):
        return "".join(f"\\u{ord(one):04x}" for one in char)
    return char
