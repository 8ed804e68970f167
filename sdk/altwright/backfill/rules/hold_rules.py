"""Hold rules: rows whose captions are never written without a review.

A rule looks at a row's columns, context, tags and file name, and at the captions and the server's
warnings about them. It does not look at the image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

from altwright.backfill.rules import hold_words
from altwright.backfill.types import Row
from altwright.errors import UsageError

CaptionTexts = Mapping[tuple[str, str], str]
"""Texts by style and locale."""

_MATCH_CHARS = 30
"""Characters of a match that a reason shows."""
_CAPITALISED = r"(?:(?:van|von|de|der|di|da|del|la|le|bin|al)\s+){0,2}[^\W\d_a-zß-ÿ][\w'’-]+"


@dataclass(frozen=True, slots=True)
class HoldRules:
    """The hold rules of a run; empty fields hold nothing. Journals store them by field name."""

    sets: tuple[str, ...] = ()
    """Ready-made sets: `medical`, `legal`, `people`, `locales`."""
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Column name and the values that hold a row, ignoring case; no values: any non-empty one."""
    patterns: tuple[str, ...] = ()
    """Regular expressions, searched ignoring case in context, tags, file name and captions."""
    locales: tuple[str, ...] = ()
    """Languages (`sl`, `pt-BR`) whose captions are all held."""
    generic: bool = True
    """Whether texts that tell nothing of their picture are held."""

    @classmethod
    def parse(
        cls,
        sets: Iterable[str] = (),
        columns: Iterable[str] = (),
        patterns: Iterable[str] = (),
        locales: Iterable[str] = (),
        *,
        generic: bool = True,
    ) -> HoldRules:
        """From options of a command line; each of `columns` is `NAME=VALUE,VALUE` or `NAME`.

        Raises UsageError.
        """
        set_names = tuple(dict.fromkeys(sets))
        for name in set_names:
            if name not in HOLD_SETS:
                raise UsageError(f"There is no hold set {name!r}: {', '.join(HOLD_SETS)}.")
        expressions = tuple(dict.fromkeys(patterns))
        for pattern in expressions:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(f"{pattern!r} is not a regular expression: {error}.") from None
            if re.search(pattern, ""):
                raise UsageError(f"{pattern!r} matches everything: no row would ever be written.")
        parsed_columns = tuple(_parse_column(text) for text in columns)
        return cls(set_names, parsed_columns, expressions, tuple(locales), generic)

    def to_settings(self) -> dict[str, object]:
        """For a run's identity. A rule that is on by default is left out, as in older runs."""
        settings = asdict(self)
        if self.generic:
            del settings["generic"]
        return settings

    def missing_columns(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Columns that the rules name and the source does not have."""
        existing = set(columns)
        return tuple(name for name, _ in self.columns if name not in existing)


def find_hold_reasons(row: Row, captions: CaptionTexts, rules: HoldRules) -> tuple[str, ...]:
    """Why a row is held for review; empty if it is not.

    Each reason names the rule and what it found. A row is held in all its styles and locales.
    """
    text = _searched_text(row, captions)
    by_pattern = ((each, _compile(each).search(text)) for each in rules.patterns)
    by_set = ((name, HOLD_SETS[name](row, captions)) for name in rules.sets)
    return (
        *_matching_columns(row, rules.columns),
        *(f"pattern {each}: {_shorten(match)}" for each, match in by_pattern if match),
        *(f"{name}: {found}" for name, found in by_set if found),
        *_matching_locales(captions, rules.locales),
    )


def _parse_column(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, values = text.partition("=")
    if not name.strip():
        raise UsageError(f"{text!r} names no column: write NAME=VALUE,VALUE or NAME.")
    folded = tuple(value.strip().casefold() for value in values.split(",") if value.strip())
    return name.strip(), folded


def _matching_columns(row: Row, columns: Sequence[tuple[str, tuple[str, ...]]]) -> Iterable[str]:
    for name, held_values in columns:
        value = row.values.get(name, "").strip()
        # A column may hold a list (`shoes, medical`): one matching part is enough.
        parts = {value.casefold(), *(part.strip() for part in re.split(r"[,;|]", value.casefold()))}
        if value and (not held_values or parts & set(held_values)):
            yield f"column {name}: {value[:_MATCH_CHARS]}"


def _matching_locales(captions: CaptionTexts, held_locales: Sequence[str]) -> Iterable[str]:
    tags = sorted({locale for _, locale in captions})
    for name in held_locales:
        for tag in tags:
            if name.lower() in (tag.lower(), _language(tag)):
                yield f"language {tag}"


def _searched_text(row: Row, captions: CaptionTexts) -> str:
    # On lines of their own, so that no match spans two of them by accident.
    return "\n".join((row.context, *row.tags, row.file_name, *captions.values()))


def _find_medical(row: Row, captions: CaptionTexts) -> str:
    match = _compile_beginnings(hold_words.MEDICAL).search(_searched_text(row, captions))
    return _shorten(match) if match else ""


def _find_legal(row: Row, captions: CaptionTexts) -> str:
    match = _compile_beginnings(hold_words.LEGAL).search(_searched_text(row, captions))
    return _shorten(match) if match else ""


def _find_people(row: Row, _captions: CaptionTexts) -> str:
    """A name in the context, the tags or a column for people. Captions only repeat those."""
    for name, value in row.values.items():
        if name.casefold() in hold_words.PEOPLE_COLUMNS and value.strip():
            return value.strip()[:_MATCH_CHARS]
    match = _compile_names().search("\n".join((row.context, *row.tags)))
    return _shorten(match) if match else ""


def _find_unknown_locales(_row: Row, captions: CaptionTexts) -> str:
    unknown = {tag for _, tag in captions if _language(tag) not in hold_words.KNOWN_LANGUAGES}
    return ", ".join(sorted(unknown))


HOLD_SETS: Mapping[str, Callable[[Row, CaptionTexts], str]] = {
    "medical": _find_medical,
    "legal": _find_legal,
    "people": _find_people,
    "locales": _find_unknown_locales,
}
"""Ready-made rules: name to a function that returns what it found, '' if nothing."""


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


@cache
def _compile_beginnings(beginnings: tuple[str, ...]) -> re.Pattern[str]:
    # File names join words with _ and -, so a word begins after anything but a letter or digit.
    words = "|".join(re.escape(each).replace(r"\ ", r"[\s_-]+") for each in beginnings)
    return re.compile(rf"(?<![^\W_])(?:{words})[^\W_]*", re.IGNORECASE)


@cache
def _compile_names() -> re.Pattern[str]:
    titles = "|".join(hold_words.TITLES)
    given = "|".join(hold_words.GIVEN_NAMES)
    phrases = r"(?i:from left|left to right|pictured|portrait of|headshot of|interview with)"
    return re.compile(
        rf"\b(?:(?:{titles})\b\.?\s+{_CAPITALISED}|(?:{given})\b(?:\s+\w\.)?\s+{_CAPITALISED}"
        rf"|{phrases}\W{{1,3}}{_CAPITALISED})"
    )


def _shorten(match: re.Match[str]) -> str:
    return " ".join(match.group().split())[:_MATCH_CHARS]


def _language(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].lower()
