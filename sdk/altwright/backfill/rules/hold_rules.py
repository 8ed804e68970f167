"""Rows that are never written unseen: what matches goes to review with its draft.

A rule looks at a row's columns, context, tags and file name, or at the captions; it knows nothing
of the picture. Which ones a run keeps is part of its settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from altwright.backfill.rules import hold_words as words
from altwright.backfill.types import Row
from altwright.errors import UsageError

CaptionTexts = Mapping[tuple[str, str], str]
"""Texts by style and locale."""

_NEAR = 30
"""Characters of a match that a reason shows."""
_CAPITALISED = r"(?:(?:van|von|de|der|di|da|del|la|le|bin|al)\s+){0,2}[^\W\d_a-zß-ÿ][\w'’-]+"


@dataclass(frozen=True, slots=True)
class HoldRules:
    """What a run holds for review. Empty ones hold nothing."""

    sets: tuple[str, ...] = ()
    """Ready-made: `medical`, `legal`, `people`, `locales`."""
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A column and the values that hold a row, compared without case; none: any at all."""
    patterns: tuple[str, ...] = ()
    """Regular expressions, searched without case in context, tags, file name and captions."""
    locales: tuple[str, ...] = ()
    """Languages (`sl`, `pt-BR`) in which no caption is written unseen."""

    @classmethod
    def of(
        cls,
        sets: Iterable[str] = (),
        columns: Iterable[str] = (),
        patterns: Iterable[str] = (),
        locales: Iterable[str] = (),
    ) -> HoldRules:
        """From the words of a command line: `columns` are `NAME=VALUE,VALUE` or `NAME`.

        Raises UsageError with one sentence.
        """
        named = tuple(dict.fromkeys(sets))
        for name in named:
            if name not in HOLD_SETS:
                raise UsageError(f"There is no set of cautions {name!r}: {', '.join(HOLD_SETS)}.")
        kept = tuple(dict.fromkeys(patterns))
        for pattern in kept:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(f"{pattern!r} is no regular expression: {error}.") from None
            if re.search(pattern, ""):
                raise UsageError(f"{pattern!r} matches everything: no row would ever be written.")
        return cls(named, tuple(_column(text) for text in columns), kept, tuple(locales))

    def missing(self, columns: Iterable[str]) -> tuple[str, ...]:
        """The columns that these rules name and the source does not have."""
        known = set(columns)
        return tuple(name for name, _ in self.columns if name not in known)


def find_hold_reasons(row: Row, captions: CaptionTexts, rules: HoldRules) -> tuple[str, ...]:
    """Why this row must be seen by a person before anything is written; empty: it need not be.

    The reasons are short and name the rule and what it found; a row is held as a whole, in all its
    styles and locales.
    """
    said = _said(row, captions)
    by_patterns = ((each, _compiled(each).search(said)) for each in rules.patterns)
    by_sets = ((name, HOLD_SETS[name](row, captions)) for name in rules.sets)
    return (
        *_by_columns(row, rules.columns),
        *(f"pattern {each}: {_shown(found)}" for each, found in by_patterns if found),
        *(f"{name}: {found}" for name, found in by_sets if found),
        *_by_locales(captions, rules.locales),
    )


def _column(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, values = text.partition("=")
    if not name.strip():
        raise UsageError(f"{text!r} names no column: write NAME=VALUE,VALUE or NAME.")
    kept = tuple(value.strip().casefold() for value in values.split(",") if value.strip())
    return name.strip(), kept


def _by_columns(row: Row, columns: Sequence[tuple[str, tuple[str, ...]]]) -> Iterable[str]:
    for name, wanted in columns:
        value = row.values.get(name, "").strip()
        # A column of a list (`shoes, medical`) holds where one of its parts does.
        parts = {value.casefold(), *(part.strip() for part in re.split(r"[,;|]", value.casefold()))}
        if value and (not wanted or parts & set(wanted)):
            yield f"column {name}: {value[:_NEAR]}"


def _by_locales(captions: CaptionTexts, wanted: Sequence[str]) -> Iterable[str]:
    spoken = sorted({locale for _, locale in captions})
    for name in wanted:
        for tag in spoken:
            if name.lower() in (tag.lower(), _language(tag)):
                yield f"language {tag}"


def _said(row: Row, captions: CaptionTexts) -> str:
    # Lines, so that no pattern matches across two of them by accident.
    return "\n".join((row.context, *row.tags, row.file_name, *captions.values()))


def _medical(row: Row, captions: CaptionTexts) -> str:
    found = _begins(words.MEDICAL).search(_said(row, captions))
    return _shown(found) if found else ""


def _legal(row: Row, captions: CaptionTexts) -> str:
    found = _begins(words.LEGAL).search(_said(row, captions))
    return _shown(found) if found else ""


def _people(row: Row, _captions: CaptionTexts) -> str:
    """A name in the context, the tags, or a column for it; a caption may only repeat those."""
    for name, value in row.values.items():
        if name.casefold() in words.PEOPLE_COLUMNS and value.strip():
            return value.strip()[:_NEAR]
    found = _named().search("\n".join((row.context, *row.tags)))
    return _shown(found) if found else ""


def _locales(_row: Row, captions: CaptionTexts) -> str:
    strange = {tag for _, tag in captions if _language(tag) not in words.KNOWN_LANGUAGES}
    return ", ".join(sorted(strange))


HOLD_SETS: Mapping[str, Callable[[Row, CaptionTexts], str]] = {
    "medical": _medical,
    "legal": _legal,
    "people": _people,
    "locales": _locales,
}
"""Ready-made rules: what each found, empty where nothing."""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@cache
def _begins(beginnings: tuple[str, ...]) -> re.Pattern[str]:
    # File names join words with _ and -: what is no letter or digit begins a word.
    inside = "|".join(re.escape(each).replace(r"\ ", r"[\s_-]+") for each in beginnings)
    return re.compile(rf"(?<![^\W_])(?:{inside})[^\W_]*", re.IGNORECASE)


@cache
def _named() -> re.Pattern[str]:
    titles = "|".join(words.TITLES)
    given = "|".join(words.GIVEN_NAMES)
    phrases = r"(?i:from left|left to right|pictured|portrait of|headshot of|interview with)"
    return re.compile(
        rf"\b(?:(?:{titles})\b\.?\s+{_CAPITALISED}|(?:{given})\b(?:\s+\w\.)?\s+{_CAPITALISED}"
        rf"|{phrases}\W{{1,3}}{_CAPITALISED})"
    )


def _shown(found: re.Match[str]) -> str:
    return " ".join(found.group().split())[:_NEAR]


def _language(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].lower()
