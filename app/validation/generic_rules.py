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
    language = given.languages[0]
    has_noun = any(language.generic_noun.fullmatch(word) for word in words)
    if all(_is_generic(word, language, has_noun=has_noun) for word in words):
        return "It says nothing that tells this picture from others; name what it shows."
    return None


def _is_generic(word: str, language: Language, *, has_noun: bool) -> bool:
    if language.generic_noun.fullmatch(word):
        return True
    is_clear = has_noun or not language.ambiguous_word.fullmatch(word)
    return is_clear and language.generic_word.fullmatch(word) is not None
