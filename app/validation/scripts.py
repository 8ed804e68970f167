"""Writing systems: the scripts that a language is written in, and the scripts in a text."""

import functools
import unicodedata
from collections import Counter

from app.validation.language_tags import language_of, script_of
from app.validation.sentences import WIDE_CHARACTER
from app.validation.similar_languages import similar_languages

_CYRILLIC, _LATIN = frozenset({"CYRILLIC"}), frozenset({"LATIN"})
_HAN = frozenset({"CJK"})
_SCRIPTS_OF_LANGUAGE: dict[str, frozenset[str]] = {
    **dict.fromkeys(("ru", "uk", "bg", "mk", "be", "kk", "ky", "mn", "tg", "tt", "ba"), _CYRILLIC),
    "sr": _CYRILLIC | _LATIN,
    "zh": _HAN,
    "ja": frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    "ko": frozenset({"HANGUL", "CJK"}),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "ug", "sd"), frozenset({"ARABIC"})),
    **dict.fromkeys(("he", "iw", "yi"), frozenset({"HEBREW"})),
    "el": frozenset({"GREEK"}),
    "th": frozenset({"THAI"}),
    "lo": frozenset({"LAO"}),
    "km": frozenset({"KHMER"}),
    "my": frozenset({"MYANMAR"}),
    "ka": frozenset({"GEORGIAN"}),
    "hy": frozenset({"ARMENIAN"}),
    "am": frozenset({"ETHIOPIC"}),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), frozenset({"DEVANAGARI"})),
    "bn": frozenset({"BENGALI"}),
    "as": frozenset({"BENGALI"}),
    "gu": frozenset({"GUJARATI"}),
    "pa": frozenset({"GURMUKHI", "ARABIC"}),
    "ta": frozenset({"TAMIL"}),
    "te": frozenset({"TELUGU"}),
    "kn": frozenset({"KANNADA"}),
    "ml": frozenset({"MALAYALAM"}),
    "si": frozenset({"SINHALA"}),
    "or": frozenset({"ORIYA"}),
    # Mostly written in Latin letters today; older texts and some countries differ.
    **dict.fromkeys(("az", "uz", "tk", "ku", "sh"), _LATIN | _CYRILLIC | frozenset({"ARABIC"})),
}
_LATIN_LANGUAGES_TEXT = """
af bs ca cs cy da de en eo es et eu fi fo fr fy ga gd gl hr ht hu id is it la lb lt lv mg ms mt
nb nl nn no oc pl pt qu rm ro sk sl so sq sv sw tl tr vi xh yo zu
"""
_LATIN_LANGUAGES = frozenset(_LATIN_LANGUAGES_TEXT.split())
# ISO 15924 code -> first word of the names of the script's characters in Unicode.
_SCRIPTS_OF_ISO_CODE = {
    "Latn": _LATIN,
    "Cyrl": _CYRILLIC,
    "Arab": frozenset({"ARABIC"}),
    "Aran": frozenset({"ARABIC"}),
    "Hans": _HAN,
    "Hant": _HAN,
    "Hani": _HAN,
    "Jpan": frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    "Kore": frozenset({"HANGUL", "CJK"}),
    "Deva": frozenset({"DEVANAGARI"}),
    "Beng": frozenset({"BENGALI"}),
    "Guru": frozenset({"GURMUKHI"}),
    "Gujr": frozenset({"GUJARATI"}),
    "Taml": frozenset({"TAMIL"}),
    "Telu": frozenset({"TELUGU"}),
    "Knda": frozenset({"KANNADA"}),
    "Mlym": frozenset({"MALAYALAM"}),
    "Sinh": frozenset({"SINHALA"}),
    "Thai": frozenset({"THAI"}),
    "Geor": frozenset({"GEORGIAN"}),
    "Armn": frozenset({"ARMENIAN"}),
    "Mong": frozenset({"MONGOLIAN"}),
    "Grek": frozenset({"GREEK"}),
    "Hebr": frozenset({"HEBREW"}),
}
# Variants of a romanisation, which need no script subtag: `ja-hepburn`, `zh-pinyin`.
_ROMANISATIONS = frozenset({"pinyin", "wadegile", "hepburn", "heploc", "jyutping", "tongyong"})
# Fewest letters for a decision by script: three Han characters may be copied from a sign.
_MIN_LETTERS = 8
_FOREIGN_SHARE = 0.6
# "Lighthouse のデモ" is Japanese around a name; a wide character counts as two letters.
_MIN_OWN_LETTERS = 6
# Latin letters (names) per letter of the caption's own script. Above this ratio the language
# identifier decides.
_MAX_LATIN_RATIO = 4
# Hiragana carry Japanese grammar; Chinese has none.
_MIN_HIRAGANA = 6
# A Japanese name of a place or an office has no kana either; a sentence always has.
_MIN_HAN_WITHOUT_KANA = 14
_SCRIPT_OF_NAME_PREFIX = {"IDEOGRAPHIC": "CJK", "FULLWIDTH": "LATIN", "HALFWIDTH": "KATAKANA"}


def count_scripts(text: str) -> Counter[str]:
    """How many letters the text has of each script, by the first word of their Unicode names."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return Counter(LATIN=letters) if letters else Counter()
    return Counter(_script_of(char) for char in text if char.isalpha())


def is_latin_locale(locale: str) -> bool:
    """True where the locale may be written in Latin letters, or its scripts are not known."""
    return not _LATIN.isdisjoint(_expected_scripts(locale) or _LATIN)


def has_unusual_script(locale: str) -> bool:
    """True where the locale names a script that its language is not usually written in (`hi-Latn`).

    The language identifier has seen only the usual script.
    """
    usual = _usual_scripts(locale)
    named = _expected_scripts(locale)
    is_named = script_of(locale) is not None or _is_romanised(locale)
    return is_named and (named is None or usual is None or named.isdisjoint(usual))


def is_wrong_script(text: str, locale: str) -> bool | None:
    """Whether the text's script excludes the locale's language; None where the script cannot tell.

    `text` is without quotations. False: the letters prove the right script.
    """
    expected = _expected_scripts(locale)
    if expected is None:
        return None
    counts = count_scripts(text)
    total = sum(counts.values())
    foreign = total - sum(counts[script] for script in expected)
    kana = counts["HIRAGANA"] + counts["KATAKANA"]
    if expected == _HAN and counts["HIRAGANA"] >= _MIN_HIRAGANA:
        return True
    if "HIRAGANA" in expected and kana == 0 and counts["CJK"] >= _MIN_HAN_WITHOUT_KANA:
        return True
    if "HANGUL" in expected and counts["CJK"] + kana >= max(_MIN_LETTERS, counts["HANGUL"]):
        return True
    # A wide character carries as much as two letters.
    wide = len(WIDE_CHARACTER.findall(text))
    if foreign + wide < _MIN_LETTERS or foreign < _FOREIGN_SHARE * total:
        return None
    if expected & _LATIN or foreign - counts["LATIN"] >= _MIN_LETTERS:
        return True
    # Latin letters in a Japanese or Russian caption may be a brand name; a sentence of them is not.
    own = total - foreign + wide
    if counts["LATIN"] < 2 * _MIN_LETTERS or counts["LATIN"] <= _MAX_LATIN_RATIO * own:
        return False
    return True if own < _MIN_OWN_LETTERS else None


def _expected_scripts(locale: str) -> frozenset[str] | None:
    if _is_romanised(locale):
        return _LATIN
    iso_code = script_of(locale)
    if iso_code is not None:
        return _SCRIPTS_OF_ISO_CODE.get(iso_code)
    return _usual_scripts(locale)


def _is_romanised(locale: str) -> bool:
    return not _ROMANISATIONS.isdisjoint(locale.lower().split("-x-")[0].split("-")[1:])


def _usual_scripts(locale: str) -> frozenset[str] | None:
    code = language_of(locale)
    if code in _LATIN_LANGUAGES:
        return _LATIN
    if code in _SCRIPTS_OF_LANGUAGE:
        return _SCRIPTS_OF_LANGUAGE[code]
    similar = sorted(similar_languages(locale))
    return next(
        (_SCRIPTS_OF_LANGUAGE[other] for other in similar if other in _SCRIPTS_OF_LANGUAGE), None
    )


@functools.lru_cache(maxsize=4096)
def _script_of(char: str) -> str:
    first = unicodedata.name(char, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]
    return _SCRIPT_OF_NAME_PREFIX.get(first, first)
