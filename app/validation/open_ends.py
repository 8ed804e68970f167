"""Open ends: words that end no sentence, so that a text without an end mark is half a sentence."""

import re

from app.validation.languages import Language

_MIN_WORDS = 3
"""People title pictures with two words, of which any may be the last."""
# English words that end no sentence; many prepositions do ("where she is from", "walking by").
# "Vitamin A" and the last word of "based, on, a." are accepted.
_ENGLISH_END = re.compile(
    r"(?<!, )\b(?:(?:an?|the|of|and|or)[.]?|into|onto|whose|its|their|than|while|featuring"
    r"|including|but)$|\bas$|\b(?:seen|viewed|photographed) from$|, (?:holding|wearing|showing)$"
    r"|\b(?:who|which|that) (?:is|are|has|have)$|\s(?:[Ii]t|[Ss]?[Hh]e|[Tt]hey) (?:has|have)$"
    r"|\band (?:it|her|his|they)$"
    r"|\b(?:man|woman|person|child|girl|boy|people|group) (?:who|is|are)$"
)
# Particles that join what follows, and none of a word's own last signs ("もの", "こと", "现在").
_WIDE_ENDS = {
    "ja": re.compile(r"[\u3040-\u9fff]{4}(?:[をがは]|(?<!も)の|(?<![こひもあっふ])と)$"),
    "zh": re.compile(
        r"[\u3000-\u9fff]{4}(?:(?<![存现現所实實内內潜潛])在|[与與]|(?<![温溫柔饱飽共平暖缓緩])和)$"
    ),
}
_LAST_WORD = re.compile(r"(?<![\w'’.-])[^\W\d_]{1,20}['’]?$")


def ends_in_open_word(caption: str, language: Language) -> bool:
    """Whether the last word, in lower case and without an end mark, wants another one."""
    if language.code == "en":
        return (
            " " in caption and _ENGLISH_END.search(caption, max(0, len(caption) - 80)) is not None
        )
    wide = _WIDE_ENDS.get(language.code)
    if wide is not None:
        return wide.search(caption, max(0, len(caption) - 10)) is not None
    last = _LAST_WORD.search(caption, max(0, len(caption) - 30))
    if last is None or len(caption.split(maxsplit=_MIN_WORDS)) < _MIN_WORDS:
        return False
    return last.group() in language.dangling_words - language.final_words
