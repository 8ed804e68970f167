"""Quoted text in a caption: usually text that is visible in the picture."""

import functools
import re

_CLOSED_BY = {
    '"': '"', "“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", "‘": "’", "'": "'",
}  # fmt: skip
_OPENING_MARK = re.compile("[\"“„«»「『‘]|(?<!\\w)'")
_MAX_CHARS = 300
"""A quotation mark without a partner within this distance is treated as unclosed."""


@functools.lru_cache(maxsize=16)  # several rules need the same text
def strip_quoted_text(text: str) -> str:
    """The text without its quotations, whose words and language are not the caption's own."""
    parts: list[str] = []
    kept_from = 0
    for start, end in find_quotations(text):
        parts.append(text[kept_from:start])
        kept_from = end
    return " ".join((*parts, text[kept_from:]))


def mask_quoted_text(text: str) -> str:
    """The text of the same length, with an `x` for each quoted character, its last marks aside.

    They may be the full stop of the sentence around the quotation.
    """
    parts: list[str] = []
    kept_from = 0
    for start, end in find_quotations(text):
        kept_to = end - 1
        while kept_to > start + 1 and not text[kept_to - 1].isalnum():
            kept_to -= 1
        parts.append(text[kept_from : start + 1] + "x" * (kept_to - start - 1))
        kept_from = kept_to
    return "".join((*parts, text[kept_from:]))


def find_quotations(text: str) -> list[tuple[int, int]]:
    """Where each quotation begins and ends, its marks included, in order."""
    found: list[tuple[int, int]] = []
    kept_from = 0
    # Where each closing mark occurs next: a text of opening marks is searched once, not once for
    # each of them.
    next_marks: dict[str, int] = {}
    for opening in _OPENING_MARK.finditer(text):
        start = opening.start()
        if start < kept_from:
            continue
        end = min(_find_next(text, mark, start + 1, next_marks) for mark in _CLOSED_BY[text[start]])
        if _is_quotation(text, start, end):
            kept_from = end + 1
            found.append((start, kept_from))
    return found


def _find_next(text: str, mark: str, start: int, next_marks: dict[str, int]) -> int:
    """The first index of `mark` from `start` on; the length of the text where there is none."""
    if next_marks.get(mark, -1) < start:
        found = text.find(mark, start)
        next_marks[mark] = len(text) if found < 0 else found
    return next_marks[mark]


def _is_quotation(text: str, start: int, end: int) -> bool:
    if end == len(text) or not 0 < end - start - 1 <= _MAX_CHARS or "\n" in text[start:end]:
        return False
    # "the dogs' bowl and the cat's": an apostrophe closes nothing.
    following = text[end + 1 : end + 2]
    if text[start] in "\"'" and text[start - 1 : start] in tuple(".!?…。"):
        return False  # closes a sentence, and opens none
    return text[start] != "'" or not (following.isalnum() or following == "_")
