"""Rules about what a caption tells: whether it could stand for most other pictures."""

import re

from app.validation.languages import Language
from app.validation.rule_input import RuleInput
from app.validation.sentences import split_words

_MAX_WORDS = 150
"""A longer text that says nothing has not been seen."""


def generic(given: RuleInput) -> str | None:
    """It has only words that fit most pictures: colours, sides, kinds of picture, "object".

    One word that is not on the language's lists is enough to tell something, and so is a quotation.
    Text in capitals may be that of a sign. Languages without such lists are not judged.
    """
    if given.unquoted != given.caption or given.caption.isupper():
        return None
    words = [part for word in split_words(given.caption) for part in re.split("['’]", word)]
    if not 0 < len(words) <= _MAX_WORDS:
        return None
    has_noun = any(_is_noun(word, given.languages) for word in words)
    if all(_is_generic(word, given.languages, has_noun=has_noun) for word in words):
        return "It says nothing that tells this picture from others; name what it shows."
    return None


def _is_noun(word: str, languages: tuple[Language, ...]) -> bool:
    return any(language.generic_noun.fullmatch(word) for language in languages)


def _is_generic(word: str, languages: tuple[Language, ...], *, has_noun: bool) -> bool:
    if _is_noun(word, languages):
        return True
    return any(
        language.generic_word.fullmatch(word)
        and (has_noun or not language.ambiguous_word.fullmatch(word))
        for language in languages
    )
