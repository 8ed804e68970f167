"""Is a text in the language that was asked for?

Two judges: the script (certain, so it counts for short texts too) and py3langid (99.7 to 100 %
right on 60 to 160 characters, in 30 microseconds; it needs no download). Text on a package flips
an identifier, so quoted text is taken out before judging, and a verdict must hold with and without
the capitalised names. Doubt is always decided for the text.
"""

import functools
import re
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

from app.validation.language_tags import language_of, script_of
from app.validation.sentences import WIDE_CHARACTER

MIN_CHARS = 45
"""Below this no text is rejected on the identifier's word (measured: errors grow fast there)."""
_MIN_REST_LETTERS = 16
_FEWEST_LETTERS = 3
_SHORT_LETTERS = 30
_LONGEST_WORD = 45
# The difference of log-likelihoods that py3langid must see between its choice and the locale.
_MARGIN = 8.0
_MARGIN_WITHOUT_NAMES = 2.0

# Of the identifier's 140 languages those that captions are asked for in; the rest are close kin of
# larger ones (Aragonese, Venetian, Nigerian Pidgin) and only take short texts away from them.
_KNOWN_WORDS = """
ar az bg bn bs ca cs da de el en es et fa fi fr ga gu he hi hr hu hy id is it ja ka kk km kn ko
lo lt lv mk ml mn mr ms mt my ne nl no pa pl pt ro ru si sk sl sq sr sv ta te th tl tr uk ur uz
vi zh
"""
_KNOWN = frozenset(_KNOWN_WORDS.split())
# Read alike: an identifier tells them apart by chance, and a reader of one reads the other.
_KIN = (
    frozenset({"hr", "bs", "sr", "sh", "me", "cnr", "hbs"}),
    frozenset({"cs", "sk"}),
    frozenset({"da", "nb", "no", "nn"}),
    frozenset({"id", "ms", "in", "jv"}),
    frozenset({"zh", "cmn", "yue", "wuu", "nan", "hak"}),
    frozenset({"ar", "arz", "ary", "apc"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"bg", "mk"}),
    frozenset({"gl", "pt"}),
    frozenset({"fil", "tl"}),
    frozenset({"he", "iw"}),
    frozenset({"az", "tr"}),
)

_CYRILLIC, _LATIN = frozenset({"CYRILLIC"}), frozenset({"LATIN"})
_HAN = frozenset({"CJK"})
_SCRIPTS: dict[str, frozenset[str]] = {
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
    # Written in Latin letters today; older texts and some countries differ.
    **dict.fromkeys(("az", "uz", "tk", "ku", "sh"), _LATIN | _CYRILLIC | frozenset({"ARABIC"})),
}
_LATIN_SCRIPT_WORDS = """
af bs ca cs cy da de en eo es et eu fi fo fr fy ga gd gl hr ht hu id is it la lb lt lv mg ms mt
nb nl nn no oc pl pt qu rm ro sk sl so sq sv sw tl tr vi xh yo zu
"""
_LATIN_SCRIPT = frozenset(_LATIN_SCRIPT_WORDS.split())
# ISO 15924 codes to the first word of Unicode's character names.
_NAMED_SCRIPTS = {
    "Latn": _LATIN,
    "Cyrl": _CYRILLIC,
    "Arab": frozenset({"ARABIC"}),
    "Hans": _HAN,
    "Hant": _HAN,
    "Deva": frozenset({"DEVANAGARI"}),
    "Grek": frozenset({"GREEK"}),
    "Hebr": frozenset({"HEBREW"}),
}
# Fewest letters for the script to decide: three Han characters may be a sign that was copied.
_MIN_SCRIPT_LETTERS = 8
_FOREIGN_SHARE = 0.6
# "Lighthouse のデモ" is Japanese around a name; a wide character counts as two letters.
_MIN_OWN_LETTERS = 6
# Letters of names there may be to each of the caption's own; beyond that the identifier decides.
_NAMES_SHARE = 4
# Japanese grammar; Chinese has none of it.
_MIN_HIRAGANA = 6
# A Japanese name of a place or an office has no kana either; nobody writes a sentence so.
_MIN_HAN_ALONE = 14

_QUOTED = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|„[^“”\n]{1,300}[“”]|«[^»\n]{1,300}»|»[^«\n]{1,300}«"
    r"|「[^」\n]{1,300}」|『[^』\n]{1,300}』|‘[^’\n]{1,300}’|(?<!\w)'[^'\n]{1,300}'(?!\w)"
)
_NAME = re.compile(r"(?<![.!?:] )(?<!^)(?<!\w)[^\W\d_a-z][^\W_]*(?:[-'’.&][^\W_]+)*")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f][\w'’.&/-]*")
_SCRIPT_OF_NAME = {"IDEOGRAPHIC": "CJK", "FULLWIDTH": "LATIN", "HALFWIDTH": "KATAKANA"}


@dataclass(frozen=True, slots=True)
class _Identifier:
    rank: Any
    labels: frozenset[str]


_loading = threading.Lock()


@functools.cache
def _load() -> _Identifier:
    # Costs a tenth of a second and 30 MB, so it waits for the first caption that needs it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    return _Identifier(identifier.rank, frozenset(identifier.labels))


def warm_up() -> None:
    """Load the identifier now instead of at the first caption. Safe from several threads."""
    with _loading:
        _load()


def is_wrong_language(text: str, locale: str) -> bool:
    """True only where the text is surely not in the locale's language.

    Never true for a short text in the right script, nor for a language that nothing here knows.
    """
    bare = _QUOTED.sub(" ", text)
    wrong_script = _is_wrong_script(bare, locale)
    if wrong_script is not None:
        return wrong_script
    # A token that long is no word (a hash, an address), and fools the identifier.
    whole = " ".join(word for word in text.split() if len(word) <= _LONGEST_WORD)
    if _LATIN.isdisjoint(_expected_scripts(locale) or _LATIN):
        # Names in Latin letters are all that an identifier sees of a Russian or Japanese caption.
        without = " ".join(_LATIN_WORD.sub(" ", whole).split())
        if 2 * sum(map(str.isalpha, without)) > sum(map(str.isalpha, whole)):
            whole, bare = without, _LATIN_WORD.sub(" ", bare)
    if len(whole) < MIN_CHARS:
        return False
    warm_up()
    identifier = _load()
    kin = _kin_of(language_of(locale))
    if not kin & identifier.labels:
        return False
    if _lead_over(identifier, whole, kin) <= _MARGIN:
        return False
    # Whatever speaks for the locale saves the text: the words around a quoted label, or the words
    # between names. Where hardly anything is left, it has nothing to say.
    letters = sum(map(str.isalpha, bare))
    if letters > _FEWEST_LETTERS:
        # Few words around a quotation tell little: they must be as far off as the whole.
        margin = _MARGIN if letters < _SHORT_LETTERS else 0.0
        if _lead_over(identifier, bare, kin) <= margin:
            return False
    nameless = _NAME.sub(" ", bare)
    if sum(map(str.isalpha, nameless)) <= _MIN_REST_LETTERS:
        return True
    return _lead_over(identifier, nameless, kin) > _MARGIN_WITHOUT_NAMES


def are_similar(code: str, other: str) -> bool:
    """Whether a text in one language passes for the other: hr and sr, cs and sk, da and nb..."""
    return other in _kin_of(code)


def count_scripts(text: str) -> Counter[str]:
    """How many letters of each script; Han, kana together, as Japanese mixes them."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return Counter(LATIN=letters) if letters else Counter()
    return Counter(_script(char) for char in text if char.isalpha())


def strip_quotations(text: str) -> str:
    """The text without what it quotes: a sign's words are not the caption's own."""
    return _QUOTED.sub(" ", text)


def _is_wrong_script(bare: str, locale: str) -> bool | None:
    """None where the script says nothing, because it is right or unknown."""
    expected = _expected_scripts(locale)
    if expected is None:
        return None
    found = count_scripts(bare)
    total = sum(found.values())
    foreign = total - sum(found[script] for script in expected)
    kana = found["HIRAGANA"] + found["KATAKANA"]
    if expected == _HAN and found["HIRAGANA"] >= _MIN_HIRAGANA:
        return True
    if "HIRAGANA" in expected and kana == 0 and found["CJK"] >= _MIN_HAN_ALONE:
        return True
    if "HANGUL" in expected and found["CJK"] + kana >= max(_MIN_SCRIPT_LETTERS, found["HANGUL"]):
        return True
    # A wide character says twice as much.
    if foreign + len(WIDE_CHARACTER.findall(bare)) < _MIN_SCRIPT_LETTERS or foreign < _FOREIGN_SHARE * total:
        return None
    if expected & _LATIN or foreign - found["LATIN"] >= _MIN_SCRIPT_LETTERS:
        return True
    # Latin letters in a Japanese or Russian caption may be a brand; a sentence of them is not.
    own = total - foreign + len(WIDE_CHARACTER.findall(bare))
    if found["LATIN"] < 2 * _MIN_SCRIPT_LETTERS or found["LATIN"] <= _NAMES_SHARE * own:
        return False
    return True if own < _MIN_OWN_LETTERS else None


def _expected_scripts(locale: str) -> frozenset[str] | None:
    named = script_of(locale)
    if named is not None:
        return _NAMED_SCRIPTS.get(named)
    code = language_of(locale)
    if code in _LATIN_SCRIPT:
        return _LATIN
    for kin in _KIN:
        if code in kin and code not in _SCRIPTS:
            return next((_SCRIPTS[one] for one in sorted(kin) if one in _SCRIPTS), None)
    return _SCRIPTS.get(code)


def _kin_of(code: str) -> frozenset[str]:
    return next((kin for kin in _KIN if code in kin), frozenset({code}))


def _lead_over(identifier: _Identifier, text: str, kin: frozenset[str]) -> float:
    """By how much the likeliest language leads over the kin; 0 where a kin is the likeliest."""
    best: float | None = None
    for language, score in identifier.rank(text):
        if language in kin:
            return 0.0 if best is None else best - score
        if best is None and language in _KNOWN:
            best = score
    return 0.0


@functools.lru_cache(maxsize=4096)
def _script(char: str) -> str:
    first = unicodedata.name(char, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]
    return _SCRIPT_OF_NAME.get(first, first)
