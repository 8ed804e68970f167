"""What is known of each language: one TOML file in `locales/`, read once per process.

The files hold phrases, not regular expressions. A phrase may hold `{n}` (a group of the file's
`nouns`), alternatives `(a|b|)` and an optional space ` ?`, and nothing else. Case does not matter.
See locales/en.toml, which explains every key.
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

# Written languages that share one standard closely enough that one file serves the other.
_SERVED_BY = {"no": "nb", "nn": "nb", "sh": "hr", "cnr": "sr", "me": "sr", "cmn": "zh", "in": "id"}


class _File(BaseModel):
    """The keys of one file, each explained in locales/en.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    own_name: str
    nouns: Mapping[str, tuple[str, ...]] = {}
    openers: tuple[str, ...] = ()
    cased_openers: tuple[str, ...] = ()
    stands_before: tuple[str, ...] = ()
    rewrites: Mapping[str, str] = {}
    closers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    long_labels: tuple[str, ...] = ()
    title_labels: tuple[str, ...] = ()
    other_labels: tuple[str, ...] = ()
    preambles: tuple[str, ...] = ()
    interjections: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    about_itself: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    function_words: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()
    not_names: tuple[str, ...] = ()
    capitalises_nouns: bool = False


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each; comparing all takes time
class Language:
    """One language's phrases, compiled. Every pattern ignores case."""

    code: str
    name: str
    """In English."""
    own_name: str
    nouns: frozenset[str]
    """Words for "picture" in every case, in lower case."""
    opener: re.Pattern[str]
    """Matches at the start of a text; what follows stands by itself."""
    cased_opener: re.Pattern[str]
    """Matches at the start; what follows stands by itself only before `stands_before`."""
    stands_before: frozenset[str]
    rewrites: tuple[tuple[re.Pattern[str], str], ...]
    """Openers that swallow an article ("photo du"), and what takes their place ("le ")."""
    closer: re.Pattern[str]
    """The opener's counterpart where the noun comes last ("...の写真")."""
    labels: tuple[str, ...]
    long_labels: tuple[str, ...]
    title_labels: tuple[str, ...]
    other_labels: tuple[str, ...]
    preamble: re.Pattern[str]
    interjection: re.Pattern[str]
    remark: re.Pattern[str]
    refusal: re.Pattern[str]
    about_itself: re.Pattern[str]
    placeholders: frozenset[str]
    function_words: frozenset[str]
    dangling: frozenset[str]
    not_names: frozenset[str]
    capitalises_nouns: bool


@dataclass(frozen=True, slots=True)
class Languages:
    """All languages that have a file, and what is looked for whatever the locale."""

    by_code: Mapping[str, Language]
    refusal: re.Pattern[str]
    """A refusal's first words in any language."""
    placeholders: frozenset[str]

    def of(self, locale: str) -> tuple[Language, ...]:
        """The locale's own language first, then English: models fall back to it. Never empty."""
        code = language_of(locale)
        own = self.by_code.get(_SERVED_BY.get(code, code))
        english = self.by_code["en"]
        return (english,) if own is None or own is english else (own, english)

    def own(self, locale: str) -> Language | None:
        """The locale's language, or None where it has no file."""
        code = language_of(locale)
        return self.by_code.get(_SERVED_BY.get(code, code))


@functools.cache
def load_languages() -> Languages:
    """Every file of `locales/`. A file that is wrong raises at the first call: it is our own."""
    files = {
        path.stem: _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted(_FOLDER.glob("*.toml"))
    }
    return Languages(
        by_code={code: _compile(code, file) for code, file in files.items()},
        refusal=_at_start(
            phrase for file in files.values() for phrase in _expand(file.refusals, file.nouns)
        ),
        placeholders=frozenset(
            word.casefold() for file in files.values() for word in file.placeholders
        ),
    )


def _compile(code: str, file: _File) -> Language:
    def expand(phrases: Iterable[str]) -> list[str]:
        return _expand(phrases, file.nouns)

    return Language(
        code=code,
        name=file.name,
        own_name=file.own_name,
        nouns=frozenset(noun.casefold() for group in file.nouns.values() for noun in group),
        opener=_at_start(expand(file.openers)),
        cased_opener=_at_start(expand(file.cased_openers)),
        stands_before=frozenset(word.casefold() for word in file.stands_before),
        rewrites=tuple(
            (_at_start(expand([phrase])), instead) for phrase, instead in file.rewrites.items()
        ),
        closer=re.compile(rf"(?:{_any(expand(file.closers))})[.。．]?$", re.IGNORECASE),
        labels=tuple(expand(file.labels)),
        long_labels=tuple(expand(file.long_labels)),
        title_labels=tuple(expand(file.title_labels)),
        other_labels=tuple(expand(file.other_labels)),
        preamble=_at_start(expand(file.preambles)),
        interjection=_at_start(expand(file.interjections)),
        remark=_at_start(expand(file.remarks)),
        refusal=_at_start(expand(file.refusals)),
        about_itself=_anywhere(expand(file.about_itself)),
        placeholders=frozenset(word.casefold() for word in file.placeholders),
        function_words=frozenset(word.casefold() for word in file.function_words),
        dangling=frozenset(word.casefold() for word in file.dangling),
        not_names=frozenset(word.casefold() for word in file.not_names),
        capitalises_nouns=file.capitalises_nouns,
    )


def _expand(phrases: Iterable[str], nouns: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Each phrase as the source of a regular expression without repetition inside it."""
    return [_phrase(phrase, nouns) for phrase in phrases]


def _phrase(phrase: str, nouns: Mapping[str, tuple[str, ...]]) -> str:
    out = []
    for part in re.findall(r"\{\w+\}|[(|)]|[^{(|)]+", phrase):
        if part.startswith("{"):
            out.append(f"(?:{'|'.join(re.escape(noun) for noun in nouns[part[1:-1]])})")
        elif part == "(":
            out.append("(?:")
        elif part in "|)":
            out.append(part)
        else:
            # Models write either apostrophe.
            out.append(re.escape(part).replace("'", "['’]").replace(r"\ \?", r"\s?"))
    return "".join(out)


def _any(sources: Iterable[str]) -> str:
    """One alternation, or a pattern that matches nothing where there is nothing to look for."""
    return "|".join(sorted(sources, key=len, reverse=True)) or r"(?!)"


def _anywhere(sources: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_at_start(sources).pattern})", re.IGNORECASE)


def _at_start(sources: Iterable[str]) -> re.Pattern[str]:
    # A phrase that ends in a letter of a spaced script must end a word there; one written up to an
    # apostrophe, a space or in a script without spaces says so by its own last character.
    ended = [rf"{source}\b" if _ends_a_word(source) else source for source in sources]
    return re.compile(_any(ended), re.IGNORECASE)


def _ends_a_word(source: str) -> bool:
    last = source.rstrip(")?:")[-1:]
    return last.isalpha() and ord(last) < 0x600
