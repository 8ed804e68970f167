"""Phrases of each language that cleaning and rules look for, from one TOML file per language.

The files in `locales/` contain phrases, not regular expressions. A phrase may contain `{n}` (a
group of the file's `nouns`), alternatives `(a|b|)` and an optional space ` ?`. Case does not
matter. locales/en.toml explains every key. The files are read once per process.
"""

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from app.validation.language_tags import language_of

_FOLDER = Path(__file__).parent / "locales"

# Languages so close in writing that one file serves both.
_FILE_OF = {"no": "nb", "nn": "nb", "sh": "hr", "cnr": "sr", "me": "sr", "cmn": "zh", "in": "id"}


class _LanguageFile(BaseModel):
    """The keys of one TOML file; locales/en.toml explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    own_name: str
    nouns: Mapping[str, tuple[str, ...]] = {}
    openers: tuple[str, ...] = ()
    cased_openers: tuple[str, ...] = ()
    standalone_starts: tuple[str, ...] = ()
    opener_rewrites: Mapping[str, str] = {}
    trailing_openers: tuple[str, ...] = ()
    possessive_openers: tuple[str, ...] = ()
    possessive_heads: tuple[str, ...] = ()
    picture_kinds: tuple[str, ...] = ()
    possessive_blockers: tuple[str, ...] = ()
    scene_verbs: tuple[str, ...] = ()
    scene_blockers: tuple[str, ...] = ()
    caption_labels: tuple[str, ...] = ()
    description_labels: tuple[str, ...] = ()
    title_labels: tuple[str, ...] = ()
    other_labels: tuple[str, ...] = ()
    preambles: tuple[str, ...] = ()
    interjections: tuple[str, ...] = ()
    greetings: tuple[str, ...] = ()
    closing_remarks: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    about_itself: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    function_words: tuple[str, ...] = ()
    dangling_words: tuple[str, ...] = ()
    final_words: tuple[str, ...] = ()
    not_names: tuple[str, ...] = ()
    generic_nouns: tuple[str, ...] = ()
    generic_words: tuple[str, ...] = ()
    ambiguous_words: tuple[str, ...] = ()
    capitalises_nouns: bool = False


# Compared by identity (eq=False): each language exists once, and instances are cache keys.
@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """The compiled phrases of one language. Every pattern ignores case."""

    code: str
    name: str
    """In English."""
    own_name: str
    nouns: frozenset[str]
    """Words for "picture" in every grammatical case, in lower case."""
    opener: re.Pattern[str]
    """Matches at the start of a text; the rest stands alone."""
    cased_opener: re.Pattern[str]
    """Matches at the start; the rest stands alone only if it begins with `standalone_starts`."""
    standalone_starts: frozenset[str]
    opener_rewrites: tuple[tuple[re.Pattern[str], str], ...]
    """Openers that contain an article ("photo du"), each with its replacement ("le ")."""
    trailing_opener: re.Pattern[str]
    """Matches at the end, for languages in which the noun comes last ("...を写した写真")."""
    possessive_opener: re.Pattern[str]
    """The same after a possessive ("...の写真"), which may as well be a thing in the picture."""
    possessive_head: re.Pattern[str]
    """Matches at the start of a text that `possessive_opener` ends ("一张...的照片")."""
    picture_kind: re.Pattern[str]
    """Matches a picture of a named kind at the start of a text, which is no opener."""
    possessive_blocker: re.Pattern[str]
    """Matches anywhere in a text whose last noun is a thing in the picture."""
    scene_verbs: str
    """Alternatives of a regular expression: "hangs", "is printed on"; empty where unknown."""
    scene_blockers: str
    caption_labels: tuple[str, ...]
    description_labels: tuple[str, ...]
    title_labels: tuple[str, ...]
    other_labels: tuple[str, ...]
    preamble: re.Pattern[str]
    interjection: re.Pattern[str]
    greeting: re.Pattern[str]
    """A whole first sentence that speaks to the user, without its end mark."""
    closing_remark: re.Pattern[str]
    refusal: re.Pattern[str]
    about_itself: re.Pattern[str]
    placeholders: frozenset[str]
    function_words: frozenset[str]
    dangling_words: frozenset[str]
    final_words: frozenset[str]
    """Those of `dangling_words` that may end a complete text."""
    not_names: frozenset[str]
    generic_noun: re.Pattern[str]
    """Matches a kind of picture, or a word for anything, in lower case."""
    generic_word: re.Pattern[str]
    """Matches another word that fits most pictures, in lower case."""
    ambiguous_word: re.Pattern[str]
    """Matches a generic word that is also the name of a thing."""
    capitalises_nouns: bool


@dataclass(frozen=True, slots=True)
class Languages:
    """All languages that have a file, and the phrases of all of them together."""

    by_code: Mapping[str, Language]
    refusal: re.Pattern[str]
    """The first words of a refusal in any language."""
    placeholders: frozenset[str]

    def for_locale(self, locale: str) -> tuple[Language, ...]:
        """The locale's language, if it has a file, then English: models fall back to English."""
        english = self.by_code["en"]
        language = self.find(locale)
        return (english,) if language is None or language is english else (language, english)

    def find(self, locale: str) -> Language | None:
        """The locale's language, or None where it has no file."""
        code = language_of(locale)
        return self.by_code.get(_FILE_OF.get(code, code))


@functools.cache
def load_languages() -> Languages:
    """Every file of `locales/`. Raises ValidationError where a file is wrong."""
    files = {
        path.stem: _LanguageFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted(_FOLDER.glob("*.toml"))
    }
    return Languages(
        by_code={code: _compile(code, file) for code, file in files.items()},
        refusal=_compile_at_start(
            phrase for file in files.values() for phrase in _expand(file.refusals, file.nouns)
        ),
        placeholders=frozenset(
            word.casefold() for file in files.values() for word in file.placeholders
        ),
    )


def _compile(code: str, file: _LanguageFile) -> Language:
    def expand(phrases: Iterable[str]) -> list[str]:
        return _expand(phrases, file.nouns)

    return Language(
        code=code,
        name=file.name,
        own_name=file.own_name,
        nouns=frozenset(noun.casefold() for group in file.nouns.values() for noun in group),
        opener=_compile_at_start(expand(file.openers)),
        cased_opener=_compile_at_start(expand(file.cased_openers)),
        standalone_starts=frozenset(word.casefold() for word in file.standalone_starts),
        opener_rewrites=tuple(
            (_compile_at_start(expand([phrase])), replacement)
            for phrase, replacement in file.opener_rewrites.items()
        ),
        trailing_opener=re.compile(
            rf"(?:{_alternation(expand(file.trailing_openers))})[.。．]?$", re.IGNORECASE
        ),
        possessive_opener=re.compile(
            rf"(?:{_alternation(expand(file.possessive_openers))})[.。．]?$", re.IGNORECASE
        ),
        possessive_head=re.compile(_alternation(expand(file.possessive_heads)), re.IGNORECASE),
        picture_kind=_compile_at_start(expand(file.picture_kinds)),
        possessive_blocker=re.compile(_alternation(expand(file.possessive_blockers))),
        scene_verbs="|".join(expand(file.scene_verbs)),
        scene_blockers=_alternation(expand(file.scene_blockers)),
        caption_labels=tuple(expand(file.caption_labels)),
        description_labels=tuple(expand(file.description_labels)),
        title_labels=tuple(expand(file.title_labels)),
        other_labels=tuple(expand(file.other_labels)),
        preamble=_compile_at_start(expand(file.preambles)),
        interjection=_compile_at_start(expand(file.interjections)),
        greeting=_compile_at_start(expand(file.greetings)),
        closing_remark=_compile_at_start(expand(file.closing_remarks)),
        refusal=_compile_at_start(expand(file.refusals)),
        about_itself=_compile_anywhere(expand(file.about_itself)),
        placeholders=frozenset(word.casefold() for word in file.placeholders),
        function_words=frozenset(word.casefold() for word in file.function_words),
        dangling_words=frozenset(word.casefold() for word in file.dangling_words),
        final_words=frozenset(word.casefold() for word in file.final_words),
        not_names=frozenset(word.casefold() for word in file.not_names),
        generic_noun=_compile_at_start(expand(map(str.casefold, file.generic_nouns))),
        generic_word=_compile_at_start(expand(map(str.casefold, file.generic_words))),
        ambiguous_word=_compile_at_start(expand(map(str.casefold, file.ambiguous_words))),
        capitalises_nouns=file.capitalises_nouns,
    )


def _expand(phrases: Iterable[str], nouns: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Each phrase as a regular expression without repetition, so that matching is linear."""
    return [_expand_phrase(phrase, nouns) for phrase in phrases]


def _expand_phrase(phrase: str, nouns: Mapping[str, tuple[str, ...]]) -> str:
    pattern = []
    for part in re.findall(r"\{\w+\}|[(|)]|[^{(|)]+", phrase):
        if part.startswith("{"):
            pattern.append(f"(?:{'|'.join(re.escape(noun) for noun in nouns[part[1:-1]])})")
        elif part == "(":
            pattern.append("(?:")
        elif part in "|)":
            pattern.append(part)
        else:
            # Models write either apostrophe.
            pattern.append(re.escape(part).replace("'", "['’]").replace(r"\ \?", r"\s?"))
    return "".join(pattern)


def _alternation(patterns: Iterable[str]) -> str:
    """The patterns joined by `|`, the longest first; matches nothing where there are none."""
    return "|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)"


def _compile_anywhere(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_compile_at_start(patterns).pattern})", re.IGNORECASE)


def _compile_at_start(patterns: Iterable[str]) -> re.Pattern[str]:
    # A phrase whose last character is a letter of a script with spaces must end at a word boundary.
    # A phrase that ends in an apostrophe or a space, or in a script without spaces, need not.
    bounded = [
        rf"{pattern}\b" if _ends_in_spaced_letter(pattern) else pattern for pattern in patterns
    ]
    return re.compile(_alternation(bounded), re.IGNORECASE)


def _ends_in_spaced_letter(pattern: str) -> bool:
    last = pattern.rstrip(")?")[-1:]
    return last.isalpha() and ord(last) < 0x600
