"""Checks of repetition: a model that is stuck, and keywords that are stuffed."""

import re
from collections import Counter
from itertools import pairwise

from app.types import Style
from app.validation.languages import Language
from app.validation.sentences import WIDE_CHARACTER, split_sentences, split_words

_REASON = "It says the same thing again and again; say each thing once."
# Four unlike characters come back at once in honest text ("ha ha ha"), five do not.
_STUTTER = re.compile(r"(.{1,12}?)\1{5,}")
_FEWEST_DISTINCT = 0.33
"""Share of distinct words below which 60 words and more are a loop (honest captions: over 0.5)."""


def loop(text: str) -> str | None:
    """A reason where a phrase or a sentence comes back as it never does in honest prose."""
    text = text[:4000]
    stutter = _STUTTER.search(text)
    if stutter is not None and len(stutter.group()) >= 8:
        return _REASON
    said = split_words(text)
    if _runs(said) or _phrases(said) or _sentences(text):
        return _REASON
    if len(said) >= 60 and not WIDE_CHARACTER.search(text) and len(set(said)) < _FEWEST_DISTINCT * len(said):
        return _REASON
    return None


def repeated_words(caption: str, style: Style, languages: tuple[Language, ...]) -> str | None:
    """A content word that stands more often than the style allows."""
    most = style.max_word_repeats
    if most is None:
        return None
    ignored = frozenset().union(*(one.function_words for one in languages))
    counts = Counter(
        _stem(word) for word in split_words(caption) if len(word) > 3 and word not in ignored
    )
    for word, count in counts.most_common(1):
        if count > most:
            return f'It says "{word}" {count} times; {most} is the most.'
    return None


def _stem(word: str) -> str:
    """One form for a word and its plural, roughly: enough to count with."""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 4 else word


def _runs(said: list[str]) -> bool:
    """The same one to eight words three times in a row (a single word: four times)."""
    for size in range(1, 9):
        needed = (3 if size == 1 else 2) * size
        run = 0
        for index in range(size, len(said)):
            run = run + 1 if said[index] == said[index - size] else 0
            if run >= needed:
                return True
    return False


def _phrases(said: list[str]) -> bool:
    """Four words in the same order four times, where such phrases make up much of the text."""
    counts = Counter(tuple(said[i : i + 4]) for i in range(len(said) - 3))
    stuck = sum(count for count in counts.values() if count >= 4)
    return stuck > 0.4 * max(1, len(said))


def _sentences(text: str) -> bool:
    """A sentence twice in a row, or three times anywhere."""
    said = [" ".join(split_words(part)) for part in split_sentences(text)]
    long = Counter(part for part in said if len(part) >= 25)
    in_a_row = any(one == other and len(one) >= 25 for one, other in pairwise(said))
    return in_a_row or any(count > 2 for count in long.values())
