"""Detects captions in another language than the locale's.

Two checks: the script, which is certain and so counts for short texts too, and py3langid (99.7 to
100 % right on 60 to 160 characters, 30 microseconds, no download). Text on a package misleads an
identifier, so quoted text is removed before the check, and the result must hold with and without
the capitalised names. In doubt the text is accepted.
"""

import functools
import re
import threading
from dataclasses import dataclass
from typing import Any

from app.validation.alphabets import is_other_alphabet
from app.validation.chinese_scripts import is_other_script, load_characters
from app.validation.language_tags import chinese_script_of
from app.validation.quoted_text import strip_quoted_text
from app.validation.scripts import has_unusual_script, is_latin_locale, is_wrong_script
from app.validation.sentences import split_sentences
from app.validation.similar_languages import similar_languages

MIN_CHARS = 45
"""A shorter text is never rejected by the identifier (measured: errors grow fast below)."""
MAX_CHARS = 1_000
"""The beginning of a longer text is identified: it is as long as the longest caption."""
_MIN_LETTERS_WITHOUT_NAMES = 16
_MIN_LETTERS_AROUND_QUOTATIONS = 3
_FEW_LETTERS = 30
_LONGEST_WORD = 45
# Difference of log-likelihoods between the identifier's choice and the locale's language, above
# which the choice is believed.
_MARGIN = 8.0
_MARGIN_WITHOUT_NAMES = 2.0
_MARGIN_OF_SENTENCE = 28.0

# Of the identifier's 140 languages those that captions are requested in. The others are close to
# larger ones (Aragonese, Venetian, Nigerian Pidgin) and would only win short texts from them.
_CANDIDATES_TEXT = """
ar az bg bn bs ca cs da de el en es et fa fi fr ga gu he hi hr hu hy id is it ja ka kk km kn ko
lo lt lv mk ml mn mr ms mt my ne nl no pa pl pt ro ru si sk sl sq sr sv ta te th tl tr uk ur uz
vi zh
"""
_CANDIDATES = frozenset(_CANDIDATES_TEXT.split())
_NAME = re.compile(r"(?<![.!?:] )(?<!^)(?<!\w)[^\W\d_a-z][^\W_]*(?:[-'’.&][^\W_]+)*")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f][\w'’.&/-]*")


@dataclass(frozen=True, slots=True)
class _Identifier:
    rank: Any
    labels: frozenset[str]


_load_lock = threading.Lock()


@functools.cache
def _load() -> _Identifier:
    # Takes 0.1 s and 30 MB, so it is loaded for the first caption that needs it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    return _Identifier(identifier.rank, frozenset(identifier.labels))


def warm_up() -> None:
    """Loads the identifier now instead of with the first caption. Safe from several threads."""
    with _load_lock:
        _load()
        load_characters()


def is_wrong_language(text: str, locale: str) -> bool:
    """True only where the text is certainly not in the locale's language.

    Never true for a short text in the right script, nor for a language that neither the script
    table nor the identifier knows.
    """
    text = text[:MAX_CHARS]
    unquoted = strip_quoted_text(text)
    wrong_script = is_wrong_script(unquoted, locale)
    chinese_script = chinese_script_of(locale)
    if wrong_script or (chinese_script and is_other_script(unquoted, chinese_script)):
        return True
    if is_other_alphabet(unquoted, locale):
        return True
    if wrong_script is False or has_unusual_script(locale):
        return False
    return _is_identified_as_wrong(text, unquoted, locale)


def _is_identified_as_wrong(text: str, unquoted: str, locale: str) -> bool:
    # A token this long is not a word (a hash, an address), and misleads the identifier.
    whole = " ".join(word for word in text.split() if len(word) <= _LONGEST_WORD)
    if not is_latin_locale(locale):
        # Latin names would outweigh the letters of a Russian or Japanese caption.
        without_latin = " ".join(_LATIN_WORD.sub(" ", whole).split())
        if 2 * _count_letters(without_latin) > _count_letters(whole):
            whole, unquoted = without_latin, _LATIN_WORD.sub(" ", unquoted)
    warm_up()
    identifier = _load()
    accepted = similar_languages(locale)
    if not accepted & identifier.labels:
        return False
    if _has_foreign_sentence(identifier, unquoted, accepted):
        return True
    if len(whole) < MIN_CHARS:
        return False
    if _lead_over(identifier, whole, accepted) <= _MARGIN:
        return False
    # One part in the locale's language is enough to accept the text: the words around a quotation,
    # or the words between names. A part with hardly any letters is not considered.
    letters = _count_letters(unquoted)
    if letters > _MIN_LETTERS_AROUND_QUOTATIONS:
        # Few words around a quotation prove little: they need the same margin as the whole.
        margin = _MARGIN if letters < _FEW_LETTERS else 0.0
        if _lead_over(identifier, unquoted, accepted) <= margin:
            return False
    without_names = _NAME.sub(" ", unquoted)
    if _count_letters(without_names) <= _MIN_LETTERS_WITHOUT_NAMES:
        return True
    return _lead_over(identifier, without_names, accepted) > _MARGIN_WITHOUT_NAMES


def _has_foreign_sentence(identifier: _Identifier, text: str, accepted: frozenset[str]) -> bool:
    """Whether one of several sentences is certainly in another language: a translation.

    Measured: the first 5 to 9 words of 720 sentences lead by 19 at most over their own language,
    short sentences of another one by 30 and more.
    """
    sentences = split_sentences(text)
    return len(sentences) > 1 and any(
        _count_letters(one) >= _MIN_LETTERS_WITHOUT_NAMES
        and _lead_over(identifier, one, accepted) > _MARGIN_OF_SENTENCE
        for one in sentences
    )


def _count_letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _lead_over(identifier: _Identifier, text: str, accepted: frozenset[str]) -> float:
    """The lead of the likeliest language over the accepted ones; 0 where an accepted one leads."""
    best: float | None = None
    for language, score in identifier.rank(text):
        if language in accepted:
            return 0.0 if best is None else best - score
        if best is None and language in _CANDIDATES:
            best = score
    return 0.0
