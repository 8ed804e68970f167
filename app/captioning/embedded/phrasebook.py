"""Phrasebooks: sentence templates with slots, one TOML file per locale.

No grammar is computed. A template is used only where all its slots are filled, and a colour is
filled in as the form that its place in the sentence needs: `tone` (after "in"), `item` (the
adjective of the word for "item"), `background` (the adjective of the word for "background"). A
locale in which two forms are equal leaves out the second table.

Slots about colours: `colours` (up to three), `first_colour`, `majority_colour` (the first, if it
covers half or more), `other_colours` (all but the first), `top` `bottom` `left` `right` `centre`
`upper_band` `lower_band` (the colour there), `background`, `shadow_background` (the background, if
there is a shadow on it).
Slots about what was recognised: `thing` (with its article and colour), `bare_thing` (as in a
title), `setting` (the place around it), `one_other` and `several_others` (for the number of the
verb).
Other slots: `subject` (by outline, where nothing was recognised; one of several colours may be a
person or several things, so its word must allow for both), `position`, `outline`, `orientation`,
`brightness`, and three that are empty and only allow their sentence: `greyscale`, `plain_edges`
(there is a background), and `many_colours` (no few colours cover the image).
Slots about text in the image, in quotation marks: `quoted` (the prominent texts, after the noun
`text`, or `Text` at the start of a sentence), `heading` (the text at the top), `other_texts` (what
the first sentence does not quote) and `texts` (all of them, if it quotes none).
A sentence that begins with a slot gets its capital when it is filled in.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from string import Formatter
from typing import Any

from app.captioning.embedded.words import Words, load_words
from app.types import Role

Table = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """The templates and words of one locale; the tables are named as in the files."""

    locale: str
    conjunction: str
    quotation_marks: tuple[str, str]
    """Opening and closing mark, with a space inside where the language requires one."""
    name_prefix: str
    """Template of a caption with a name before it."""
    link_prefix: str
    """The same for an image that is a link."""
    button_prefix: str
    """The same for an image that is a button."""
    coloured_thing: str
    """Template of a thing of several colours."""
    words: Words
    """What the recogniser can see, by name."""
    lower_case_starts: frozenset[str]
    """First words that lose their capital after a name; empty where all do."""
    text_noun: Table
    tone: Table
    item: Table
    background: Table
    single_colour_subject: Table
    multi_colour_subject: Table
    position: Table
    outline: Table
    orientation: Table
    brightness: Table
    first_sentences: Mapping[str, tuple[str, ...]]
    """By topic, without the full stop, the most informative first."""
    search_sentences: Mapping[str, tuple[str, ...]]
    """The topics that have first sentences of their own in a style for search engines."""
    further_sentences: Mapping[str, tuple[str, ...]]
    """By topic, the most informative first."""

    def quote(self, *texts: str) -> str:
        """The texts in quotation marks, joined."""
        opening, closing = self.quotation_marks
        return self.join(tuple(f"{opening}{text}{closing}" for text in texts))

    def quotation_slots(self, *texts: str) -> dict[str, str]:
        """The slots of a template that quotes these texts."""
        number = "singular" if len(texts) == 1 else "plural"
        return {
            "quoted": self.quote(*texts),
            "text": self.text_noun[number],
            "Text": self.text_noun[number.title()],
        }

    def name(self, name: str, sentence: str, *, role: Role | None) -> str:
        """The sentence after a name, with which it becomes one sentence."""
        first_word = sentence.split(maxsplit=1)[0]
        if not self.lower_case_starts or first_word in self.lower_case_starts:
            sentence = sentence[0].lower() + sentence[1:]
        prefixes = {"link": self.link_prefix, "button": self.button_prefix}
        template = prefixes.get(role or "", self.name_prefix)
        return template.format(name=name, caption=sentence)

    def plain_quotation(self, text: str) -> str:
        """A first sentence that quotes a text and says nothing else."""
        templates = (
            template
            for template in reversed(self.first_sentences["any"])
            if slots_of(template) == {"text", "quoted"}
        )
        return f"{next(templates).format(**self.quotation_slots(text))}."

    def join(self, words: tuple[str, ...]) -> str:
        """Joins as in "a", "a and b", "a, b and c"."""
        if len(words) < 2:
            return "".join(words)
        return f"{', '.join(words[:-1])} {self.conjunction} {words[-1]}"


def slots_of(template: str) -> set[str]:
    """The names of a template's slots."""
    return {field for _, field, _, _ in Formatter().parse(template) if field}


def load_phrasebooks() -> dict[str, Phrasebook]:
    """Every phrase file of the package, by language subtag in alphabetical order."""
    folder = resources.files("app.captioning.embedded") / "phrases"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda entry: entry.name,
    )
    phrasebooks = {}
    for file in files:
        locale = file.name.removesuffix(".toml")
        phrasebooks[locale] = _parse(locale, tomllib.loads(file.read_text(encoding="utf-8")))
    return phrasebooks


def _parse(locale: str, data: dict[str, Any]) -> Phrasebook:
    opening, closing = data["quotation_marks"]
    return Phrasebook(
        **{
            **data,
            "locale": locale,
            "words": load_words(locale),
            "lower_case_starts": frozenset(data.get("lower_case_starts", ())),
            "quotation_marks": (opening, closing),
            "item": data.get("item", data["tone"]),
            "background": data.get("background", data["tone"]),
            "first_sentences": _by_topic(data["first_sentences"]),
            "search_sentences": _by_topic(data["search_sentences"]),
            "further_sentences": _by_topic(data["further_sentences"]),
        }
    )


def _by_topic(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {topic: tuple(templates) for topic, templates in table.items()}
