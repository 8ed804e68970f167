"""The words of a language by which a caption claims something, one TOML file each.

Forms are written `stem/ending/ending`: the stem, and the stem with each ending. In
`stem+ending/ending` the stem alone is no word. `_` is a space, and case does not matter.

- `adjectives_follow`: whether adjectives stand after their noun.
- `conjunctions`, `boundaries`: words that end the phrase about the thing that a caption begins
  with.
- `joining`, `joining_endings`: words that may follow a noun which stands by itself. Where the
  language has them, a noun before any other word belongs to a compound ("dog collar").
- `attribute_endings`: a word with one of them after a colour tells of a part ("yellow gloved").
- `verb_endings`: a word with one of them ends the phrase that the caption begins with.
- `areas`: things that are a plane of one colour ("sign", "circle"), unlike letters and lines.
- `backgrounds`: words for the background. `people`: words whose colour is not a pixel's ("black
  hair", "a white man").
- `pictured`: a caption with one of these may speak of a likeness, so it claims no kind of thing.
- `text_labels`, `number_labels`: words before text in capitals, and before a number.
- `carrying`: words before a quotation that something bears ("a door with "Push" on it").
- `negations`: a colour after one of them is not there. `approximations`, `of`: words before and
  after an amount that is an estimate of the writer ("about 30% of it").
- `naming`: words before a name in quotation marks, which need not be visible.
- `colours`: each basic colour. `phrases.other`: phrases whose words mean something else.
- `nouns`: each concept of the recogniser that a word certainly means.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

from pydantic import BaseModel, ConfigDict

from app.validation.unicode_normalisation import normalise_text
from app.verification.colour_families import COLOUR_FAMILIES
from app.vision.concepts import load_concepts

LANGUAGES = ("en", "de", "fr", "es", "hr")
Phrase = tuple[str, ...]
"""Words in lower case."""


class _Phrases(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    other: str


class _WordFile(BaseModel):
    """The tables of one file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adjectives_follow: bool
    conjunctions: str
    boundaries: str
    joining: str
    joining_endings: str
    attribute_endings: str
    verb_endings: str
    areas: str
    backgrounds: str
    people: str
    pictured: str
    text_labels: str
    number_labels: str
    carrying: str
    negations: str
    approximations: str
    of: str
    naming: str
    colours: Mapping[str, str]
    phrases: _Phrases
    nouns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ClaimWords:
    """The words of one language. See the module for what each set means."""

    adjectives_follow: bool
    conjunctions: frozenset[str]
    boundaries: frozenset[str]
    joining: frozenset[str]
    joining_endings: tuple[str, ...]
    attribute_endings: tuple[str, ...]
    verb_endings: tuple[str, ...]
    areas: frozenset[str]
    backgrounds: frozenset[str]
    people: frozenset[str]
    pictured: frozenset[str]
    text_labels: frozenset[str]
    number_labels: frozenset[str]
    carrying: frozenset[str]
    negations: frozenset[str]
    approximations: frozenset[str]
    of: frozenset[str]
    naming: frozenset[str]
    colours: Mapping[Phrase, str]
    other: frozenset[Phrase]
    nouns: Mapping[Phrase, tuple[str, ...]]
    longest: int
    """Words of the longest phrase."""


@functools.cache
def load_claim_words(language: str) -> ClaimWords | None:
    """The words of a language, or None where no file is there.

    Raises ValidationError for a table that is missing or unknown, and ValueError for an unknown
    colour or concept.
    """
    if language not in LANGUAGES:
        return None
    path = resources.files("app.verification") / "words" / f"{language}.toml"
    file = _WordFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    if unknown := file.colours.keys() ^ COLOUR_FAMILIES.keys():
        raise ValueError(f"[colours] lacks or adds {sorted(unknown)}")
    if unknown := file.nouns.keys() - load_concepts().concepts.keys():
        raise ValueError(f"[nouns] names unknown concepts {sorted(unknown)}")
    colours = {form: name for name, forms in file.colours.items() for form in _expand(forms)}
    nouns: dict[Phrase, tuple[str, ...]] = {}
    for concept, forms in file.nouns.items():
        for form in _expand(forms):
            nouns[form] = tuple(dict.fromkeys((*nouns.get(form, ()), concept)))
    other = frozenset(_expand(file.phrases.other))
    return ClaimWords(
        adjectives_follow=file.adjectives_follow,
        conjunctions=_words(file.conjunctions),
        boundaries=_words(file.boundaries),
        joining=_words(file.joining),
        joining_endings=tuple(file.joining_endings.split()),
        attribute_endings=tuple(file.attribute_endings.split()),
        verb_endings=tuple(file.verb_endings.split()),
        areas=_words(file.areas),
        backgrounds=_words(file.backgrounds),
        people=_words(file.people),
        pictured=_words(file.pictured),
        text_labels=_words(file.text_labels),
        number_labels=_words(file.number_labels),
        carrying=_words(file.carrying),
        negations=_words(file.negations),
        approximations=_words(file.approximations),
        of=_words(file.of),
        naming=_words(file.naming),
        colours=colours,
        other=other,
        nouns=nouns,
        longest=max(map(len, (*colours, *nouns, *other))),
    )


def _words(forms: str) -> frozenset[str]:
    """Forms of one word each; of a phrase its last word."""
    return frozenset(phrase[-1] for phrase in _expand(forms))


def _expand(forms: str) -> Iterator[Phrase]:
    for entry in normalise_text(forms).casefold().split():
        stem, plus, endings = entry.partition("+")
        if not plus:
            stem, _, endings = entry.partition("/")
            yield tuple(stem.split("_"))
        for ending in endings.split("/") if endings else ():
            yield tuple((stem + ending).split("_"))
