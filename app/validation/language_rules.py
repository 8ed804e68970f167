"""Rules about language: the locale's language, and words instead of gibberish."""

import re

from app.validation.language_identifier import is_wrong_language
from app.validation.language_tags import chinese_script_of, language_of
from app.validation.languages import load_languages
from app.validation.rule_input import RuleInput
from app.validation.scripts import count_scripts

_ODD_TOKEN = re.compile(
    r"[a-z][A-Z]|[A-Za-z]\d+[A-Za-z]|[#$^~_=\\{}|<>]|[A-Za-z][!?;:,)(\"][A-Za-z]"
)
_ODD_SHARE = 0.25
# Tokens that do not occur in real captions: ",A", a lone full stop, "201rowsline", "AAAAA".
_BROKEN_TOKEN = re.compile(r",\w|[.,;]$|\d{2,}[a-z]{5,}|.*?([a-z])\1{3,}", re.IGNORECASE)
_DOUBLED = re.compile(
    r"\b(?:of of|the the|a a|and and|in in|to to|is is|with with|on on)\b", re.IGNORECASE
)
_BROKEN_SHARE = 0.2
_RUN_TOGETHER = re.compile(r"[^\W\d],[^\W\d]")
# ".NET" and "...and justice for all" may begin with a mark, and so may a quotation.
_BAD_START = re.compile(r"[\"'“„«(]?\s?(?:[;:,!?)\]}/\\=]|\.(?![A-Z.]))")
_FOREIGN_LETTERS_SHARE = 0.15
_LETTERS = re.compile(r"[^\W\d_]{2,60}")
# Languages that use Latin letters inside words ("Tシャツ", "T恤").
_MIXED_SCRIPT_LANGUAGES = frozenset({"ja", "zh", "ko", "cmn", "yue", "nan", "wuu", "hak"})
_LONGEST_WORD = 45
"""The longest word in English dictionaries has 45 letters."""
_CHINESE_SCRIPTS = {"Hans": ", in simplified characters", "Hant": ", in traditional characters"}
# Unicode name prefixes of letters in units and in names of particles.
_SCIENTIFIC_LETTERS = frozenset(
    {"GREEK", "MICRO", "SUPERSCRIPT", "MODIFIER", "MASCULINE", "FEMININE"}
)


def wrong_language(given: RuleInput) -> str | None:
    """It is not in the locale's language."""
    return None if given.is_search_query else wrong_language_reason(given.caption, given.locale)


def wrong_language_reason(caption: str, locale: str) -> str | None:
    """Why the caption is not in the locale's language, or None."""
    if not is_wrong_language(caption, locale):
        return None
    own = load_languages().for_locale(locale)[0]
    name = own.name if own.code != "en" or locale.startswith("en") else "that language"
    script = _CHINESE_SCRIPTS.get(chinese_script_of(locale) or "", "")
    return f"It is not written in the language asked for: write {name} ({locale}) only{script}."


def gibberish(given: RuleInput) -> str | None:
    """It mixes scripts, or is made of broken tokens instead of words."""
    mixed = _find_mixed_scripts(given.unquoted, given.locale)
    if mixed is not None:
        return mixed
    caption = given.caption
    if _BAD_START.match(caption):
        return "It begins with a mark that begins no sentence."
    tokens = caption.split()
    if any(len(token) > _LONGEST_WORD and _RUN_TOGETHER.search(token) for token in tokens):
        return "It is not made of words."
    broken = sum(bool(_BROKEN_TOKEN.match(token)) for token in tokens)
    broken += len(_DOUBLED.findall(given.unquoted))
    if broken >= 2 and broken > _BROKEN_SHARE * len(tokens):
        return "It is not made of words."
    # Each token counts once: "eCommerce" four times is the name of a shop.
    odd = sum(bool(_ODD_TOKEN.search(token)) for token in {token.strip(",.") for token in tokens})
    if odd >= 2 and (odd == len(tokens) or (odd >= 4 and odd > _ODD_SHARE * len(tokens))):
        return "It is not made of words."
    signs = sum(not (char.isalnum() or char.isspace()) for char in caption)
    digits = sum(map(str.isdigit, caption))
    if len(caption) >= 12 and signs + digits > 0.6 * len(caption.replace(" ", "")):
        return "It is made of signs and digits instead of words."
    return None


def no_words(given: RuleInput) -> str | None:
    """A long run of letters without a space, in a script that has spaces."""
    longest = max((len(token) for token in given.caption.split()), default=0)
    if longest > _LONGEST_WORD and given.caption.isascii():
        return "It has a run of letters that nobody can read out."
    return None


def _find_mixed_scripts(unquoted: str, locale: str) -> str | None:
    may_mix = language_of(locale) in _MIXED_SCRIPT_LANGUAGES
    if not may_mix and any(map(_mixes_scripts, _LETTERS.findall(unquoted))):
        return "It mixes two scripts in one word."
    counts = count_scripts(unquoted)
    east_asian = sum(counts.pop(script, 0) for script in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
    if east_asian:
        counts["EAST ASIAN"] = east_asian
    total = sum(counts.values())
    if east_asian > max(3, 0.25 * total) and not may_mix:
        return "It mixes in words of another script."
    foreign = total - max(counts.values(), default=0)
    if len(counts) >= 4 or (len(counts) >= 3 and foreign > _FOREIGN_LETTERS_SHARE * total):
        return "It mixes several scripts; write words of one language."
    return None


def _mixes_scripts(word: str) -> bool:
    """True for a word such as "negó说实"."""
    return not word.isascii() and len(count_scripts(word).keys() - _SCIENTIFIC_LETTERS) > 1
