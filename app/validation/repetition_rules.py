"""Rules about repetition: a model in a loop, and keyword stuffing."""

import re
from collections import Counter
from itertools import pairwise
from operator import itemgetter

from app.validation.rule_input import RuleInput
from app.validation.sentences import WIDE_CHARACTER, split_sentences, split_words

_REASON = "It says the same thing again and again; say each thing once."
# Ordinary text repeats up to four characters immediately ("ha ha ha"), not five.
_STUTTER = re.compile(r"(.{1,12}?)\1{5,}")
_MIN_DISTINCT_SHARE = 0.33
"""Share of distinct words below which 60 words and more are a loop (real captions: over 0.5)."""
_MAX_CHARS = 4000
_REPEATS_REASON = (
    "It only repeats the text beside the picture, which is read anyway; say what that leaves out."
)
_SHORT_WORD_CHARS = 2
"""Words up to this length are articles and prepositions; no content word to speak of."""
_NAMES_OF_CONTROLS = frozenset({
    "and", "the", "for", "link", "button", "logo", "icon", "und", "der", "die", "das", "zum", "zur",
    "schaltfläche", "les", "des", "lien", "bouton", "los", "las", "enlace", "botón",
    "poveznica", "gumb",
})  # fmt: skip
"""Words around a repeated text that add nothing to it: "Link to the annual report"."""


def loop(given: RuleInput) -> str | None:
    """A phrase or a sentence that repeats as it never does in ordinary prose."""
    text = given.uncut[:_MAX_CHARS]
    stutter = _STUTTER.search(text)
    if stutter is not None and len(stutter.group()) >= 8:
        return _REASON
    words = split_words(text)
    if _has_word_runs(words) or _has_phrase_loop(words) or _has_sentence_loop(text):
        return _REASON
    is_long = len(words) >= 60 and not WIDE_CHARACTER.search(text)
    if is_long and len(set(words)) < _MIN_DISTINCT_SHARE * len(words):
        return _REASON
    return None


def repeated_words(given: RuleInput) -> str | None:
    """A content word more often than the style allows."""
    most = given.style.max_word_repeats
    if most is None:
        return None
    ignored = frozenset().union(*(language.function_words for language in given.languages))
    words = split_words(given.caption)
    counts = Counter(_stem(word) for word in words if len(word) > 3 and word not in ignored)
    # `most_common` imports a module when it is called, which a confined process cannot.
    word, count = max(counts.items(), key=itemgetter(1), default=("", 0))
    return f'It says "{word}" {count} times; {most} is the most.' if count > most else None


def repeats_visible_text(given: RuleInput) -> str | None:
    """Nothing but what the text beside the image says: a screen reader would say it twice."""
    if not given.visible_text:
        return None
    beside = split_words(given.visible_text)
    own = split_words(given.caption)
    if WIDE_CHARACTER.search(given.caption):
        # Each character is a word there, and most occur in any longer text.
        is_repetition = "".join(own) in "".join(beside)
    else:
        fillers = _NAMES_OF_CONTROLS.union(
            *(language.function_words | language.nouns for language in given.languages)
        )
        new = {
            _stem(word)
            for word in own
            if word not in fillers and (len(word) > _SHORT_WORD_CHARS or word.isdigit())
        }
        known = {_stem(word) for word in beside}
        is_repetition = new <= known and not known.isdisjoint(map(_stem, own))
    return _REPEATS_REASON if is_repetition else None


def _stem(word: str) -> str:
    """One form for a word and its English plural, roughly: enough for counting."""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 4 else word


def _has_word_runs(words: list[str]) -> bool:
    """The same one to eight words three times in a row (a single word: four times)."""
    for size in range(1, 9):
        needed = (3 if size == 1 else 2) * size
        run = 0
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else 0
            if run >= needed:
                return True
    return False


def _has_phrase_loop(words: list[str]) -> bool:
    """Runs of four words that occur four times or more and make up over 40 % of the text."""
    counts = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    repeated = sum(count for count in counts.values() if count >= 4)
    return repeated > 0.4 * max(1, len(words))


def _has_sentence_loop(text: str) -> bool:
    """A sentence twice in a row, or three times anywhere."""
    normalised = [" ".join(split_words(sentence)) for sentence in split_sentences(text)]
    long = Counter(sentence for sentence in normalised if len(sentence) >= 25)
    in_a_row = any(one == other and len(one) >= 25 for one, other in pairwise(normalised))
    return in_a_row or any(count > 2 for count in long.values())
