"""Folds texts into what is compared: letters without case and accents, and words with numbers.

A mark between two digits counts, whichever it is: 20.19, 20,19 and 20:19 are equal, and none is
2019. Marks between thousands and empty cents do not count, and a fraction is one word.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_CONFUSED = str.maketrans("oilszbgø|", "01152890" + "1")
_LETTERS = str.maketrans({"đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})
MARK, _SLASH = "·", "⁄"
_PARTS = re.compile("([·⁄])")
_NO_CENTS = re.compile(r"[.,]0{1,2}$")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:[.,]\d{3})+)(?!\d)")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:[ \u00a0\u202f'’]\d{3})+)(?![\d.,]?\d)")
_VULGAR_FRACTION = re.compile("[¼-¾⅐-⅞]")
_FRACTION = r"(?<![\d/⁄.,])\d{1,2}[/⁄]\d{1,2}(?![\d/⁄.,])"
_WORD = re.compile(rf"{_FRACTION}|[^\W_]+(?:(?<=\d)[.,](?=\d)[^\W_]+)*")
_INNER_MARK = re.compile(r"(?<=\d)[.,](?=\d)")


def fold_letters(text: str) -> str:
    """Letters and digits in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(filter(str.isalnum, decomposed))


def fold_confused(letters: str) -> str:
    """Without what OCR confuses (O and 0, l and 1)."""
    return letters.translate(_CONFUSED)


def fold(text: str) -> str:
    """Both."""
    return fold_confused(fold_letters(text))


@dataclass(frozen=True, slots=True)
class FoldedWord:
    """A word as it is compared, with `·` for a mark within a number."""

    text: str
    is_number: bool
    """Written in digits alone."""


def fold_words(text: str) -> list[FoldedWord]:
    """The words in order."""
    spelt = _VULGAR_FRACTION.sub(_spell_fraction, text)
    return [_fold_word(match[0]) for match in _WORD.finditer(spelt)]


def join_spaced_thousands(text: str) -> str:
    """The same text with "1 299" as "1299"."""
    return _SPACED_THOUSANDS.sub(lambda match: match[1] + _digits(match[2]), text)


def join_words(words: Iterable[FoldedWord]) -> str:
    """The words as one, with `·` between two numbers."""
    made, is_after_number = "", False
    for word in words:
        made += (MARK if word.is_number and is_after_number else "") + word.text
        is_after_number = word.is_number
    return made


def numbers_of(text: str) -> set[str]:
    """The numbers of a text, with `·` for a mark within one; of a date each part."""
    found: set[str] = set()
    for match in _NUMBER.finditer(text):
        number = _mark_number(match)
        found.update(number.split(MARK) if number.count(MARK) > 1 else (number,))
    return found


def has_vulgar_fraction(text: str) -> bool:
    """Whether one of its signs is a fraction, which the reader takes for something else."""
    return _VULGAR_FRACTION.search(text) is not None


def drop_empty_cents(number: str) -> str:
    """5 for 5.00."""
    return _NO_CENTS.sub("", number)


def _spell_fraction(match: re.Match[str]) -> str:
    return f" {unicodedata.normalize('NFKD', match[0])} "


def _fold_word(word: str) -> FoldedWord:
    marked = _NUMBER.sub(_mark_number, word).replace("/", _SLASH)
    text = "".join(part if part in (MARK, _SLASH) else fold(part) for part in _PARTS.split(marked))
    return FoldedWord(text, is_number=all(map(str.isdigit, _PARTS.sub("", marked))))


def _mark_number(match: re.Match[str]) -> str:
    number = drop_empty_cents(match[0])
    number = _THOUSANDS.sub(lambda found: found[1] + _digits(found[2]), number)
    return _INNER_MARK.sub(MARK, number)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
