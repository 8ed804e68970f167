"""Words: a noun for each concept, and the colour adjectives that agree with it, one TOML file each.

No form is computed: a file has every form that a sentence can need.

- `nouns`: each concept in the nominative, its class before it (`m Rucksack`).
- `classes`: for each class the indefinite article (empty where the noun takes none) and the key of
  the adjective's form. A form whose key ends in `p` is a plural, which its verb agrees with.
- `adjectives`: each colour in every form, or as one word where it has only one.
- `articles_before`: the article that stands before a colour ("an orange bag", but "a bag").
- `worn`: what people wear, in the case that `people.wearing` needs; without the table the
  nominative. `accessories` are those of them that stand in `people.with_accessory` instead.
- `unnamed`: concepts without a word for everything that they sum. The more general word is used,
  or none.
- `settings`: places as the setting of something else ("on a beach").
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.vision.colour_names import COLOUR_NAMES

_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun without its article."""

    word: str
    article: str
    """The indefinite article; empty where the noun takes none."""
    form: str
    """The key of the adjectives that agree with it."""

    @property
    def is_plural(self) -> bool:
        """Whether its verb is in the plural."""
        return self.form.endswith("p")


class People(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    one: _Text
    one_or_more: _Text
    two: _Text
    several: _Text
    wearing: _Text
    """Template with `{person}` and `{garment}`."""
    with_accessory: _Text | None = None
    """The same for `accessories`, where the language has another preposition for them."""
    with_accessory_before: Mapping[str, _Text] = {}
    """Its other forms, by the letters that the word after the preposition begins with."""

    def in_or_with(self, garment: str, *, is_accessory: bool) -> str:
        """One person and what they wear."""
        template = self.wearing
        if is_accessory and self.with_accessory is not None:
            template = next(
                (
                    form
                    for letters, form in self.with_accessory_before.items()
                    if garment[0] in letters
                ),
                self.with_accessory,
            )
        return template.format(person=self.one, garment=garment)

    def of(self, count: int, *, are_all: bool) -> str:
        """The words for one person, for several, or for a number that is not known."""
        if not are_all and count == 1:
            return self.one_or_more
        return {1: self.one, 2: self.two}.get(count, self.several)


class _WordFile(BaseModel):
    """The tables of one file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adjectives_follow: bool
    people: People
    classes: Mapping[str, tuple[str, _Text]]
    articles_before: Mapping[str, _Text] = {}
    adjectives: Mapping[str, _Text | Mapping[str, _Text]]
    nouns: Mapping[str, _Text]
    worn: Mapping[str, _Text] = {}
    accessories: tuple[_Text, ...] = ()
    unnamed: tuple[_Text, ...] = ()
    settings: Mapping[str, _Text]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one locale."""

    adjectives_follow: bool
    """Whether adjectives stand after their noun."""
    people: People
    nouns: Mapping[str, Noun]
    """By concept."""
    unnamed: frozenset[str]
    """Concepts without a noun."""
    worn: Mapping[str, Noun]
    """By concept of something that people wear, in the case after its preposition."""
    accessories: frozenset[str]
    """Concepts of `worn` that people are said to be with, and not in."""
    settings: Mapping[str, str]
    articles_before: Mapping[str, str]
    adjectives: Mapping[str, Mapping[str, str]]
    """By form and colour."""

    def phrase(
        self, noun: Noun, colours: tuple[str, ...], conjunction: str, *, has_article: bool = True
    ) -> str:
        """The noun with its article and with these colours: "a blue and white bag"."""
        adjectives = f" {conjunction} ".join(
            self.adjectives[noun.form][colour] for colour in colours
        )
        article = noun.article if has_article else ""
        if not adjectives:
            parts: tuple[str, ...] = (article, noun.word)
        elif self.adjectives_follow:
            parts = (article, noun.word, adjectives)
        else:
            if article:
                article = self.articles_before.get(colours[0], article)
            parts = (article, adjectives, noun.word)
        return " ".join(part for part in parts if part)

    def names_colour(self, noun: Noun, colour: str) -> bool:
        """Whether the thing is called like the colour: nobody says "an orange orange"."""
        return self.adjectives[noun.form][colour].startswith(noun.word.casefold())


def load_words(locale: str) -> Words:
    """The words of a locale.

    Raises ValidationError where a table or a key is unknown or missing, and ValueError where a
    noun's class or a form of a colour is.
    """
    file = resources.files("app.captioning.embedded") / "words" / f"{locale}.toml"
    return _parse(_WordFile.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))))


def _parse(file: _WordFile) -> Words:
    nouns = {concept: _parse_noun(text, file.classes) for concept, text in file.nouns.items()}
    worn = {concept: _parse_noun(text, file.classes) for concept, text in file.worn.items()}
    forms = {form for _, form in file.classes.values()}
    for name, given, expected in (
        ("adjectives", set(file.adjectives), set(COLOUR_NAMES)),
        ("articles_before", set(file.articles_before) or set(COLOUR_NAMES), set(COLOUR_NAMES)),
        ("worn", set(worn) - set(nouns), set[str]()),
        ("accessories", set(file.accessories) - set(worn), set[str]()),
        ("settings", set(file.settings) - set(nouns), set[str]()),
        ("unnamed", set(file.unnamed) & set(nouns), set[str]()),
    ):
        if given != expected:
            raise ValueError(f"[{name}] lacks or adds {sorted(given ^ expected)}")
    return Words(
        adjectives_follow=file.adjectives_follow,
        people=file.people,
        nouns=nouns,
        unnamed=frozenset(file.unnamed),
        worn=worn or nouns,
        accessories=frozenset(file.accessories),
        settings=file.settings,
        articles_before=file.articles_before,
        adjectives={form: _adjectives_of(form, file.adjectives, forms) for form in forms},
    )


def _parse_noun(text: str, classes: Mapping[str, tuple[str, str]]) -> Noun:
    name, _, word = text.partition(" ")
    if name not in classes or not word or word != word.strip():
        raise ValueError(f"{text!r} does not begin with a class of {sorted(classes)}")
    article, form = classes[name]
    return Noun(word, article, form)


def _adjectives_of(
    form: str, adjectives: Mapping[str, str | Mapping[str, str]], forms: set[str]
) -> dict[str, str]:
    chosen = {}
    for colour, words in adjectives.items():
        if isinstance(words, str):
            chosen[colour] = words
        elif set(words) == forms:
            chosen[colour] = words[form]
        else:
            raise ValueError(f"[adjectives] {colour} has the forms {sorted(words)}, not {forms}")
    return chosen
