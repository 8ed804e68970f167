"""Splits a caption into words with their places."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_NO_BREAK = "'’*"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a caption and its place."""

    text: str
    start: int
    end: int
    key: str
    """In lower case."""
    follows_break: bool
    """A punctuation mark or a quotation stands before it."""


def split_words(text: str) -> list[Word]:
    """The words in order; an apostrophe divides two words and is no break."""
    words: list[Word] = []
    end = 0
    for match in _WORD.finditer(text):
        gap = text[end : match.start()].strip()
        end = match.end()
        is_break = bool(gap.strip(_NO_BREAK))
        words.append(Word(match[0], match.start(), end, match[0].casefold(), is_break))
    return words
