"""The phrases of each locale: whole sentences with slots, one TOML file per locale.

No grammar is computed. A template is used where all its slots are known, and a colour comes in the
ready-made form that the slot's place in the sentence needs: `tone` (after "in"), `item` (the
adjective before or after the word for "item"), `ground` (the same for "ground"). A locale in which
two forms are alike leaves the second table out. The slots: `colours` (up to three), `lead` (the
first), `main` (the first, where it covers half or more), `others` (all but the first), `share` and
`extent` (how much the first colour and the item cover), `top` `bottom` `left` `right` `centre`
`upper` `lower` (the colour there), `one` `many` (the item, by outline; what is of several colours
may be a person or several things, so the word for it must allow for both), `place`, `shadowed` (the
ground, where a shadow lies on it), `form`, `light`, and `uncoloured`, which is empty: it only lets
its sentence through where there is no colour. Of the text in the picture, in quotation marks:
`quoted` (what leaps to the eye; `text` and `Text` are the word for it, one or several, as in "with
the text" and at the beginning), `heading` (what stands at its top), `more` (what the first sentence
left out) and `unsaid` (all, where it left out all).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from string import Formatter
from typing import Any

Forms = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Everything that one locale needs; tables are named as in the files."""

    locale: str
    conjunction: str
    quotes: tuple[str, str]
    """Opening and closing quotation marks, with a space inside where the language sets one."""
    named: str
    link: str
    text: Forms
    tone: Forms
    item: Forms
    ground: Forms
    one: Forms
    many: Forms
    place: Forms
    size: Forms
    form: Forms
    light: Forms
    heads: Mapping[str, tuple[str, ...]]
    """First sentences by kind, without their full stop, the fullest first."""
    extras: Mapping[str, tuple[str, ...]]
    """Further sentences by kind, the most telling first."""

    def quoted(self, *texts: str) -> str:
        """The texts, each in quotation marks, joined."""
        return self.joined(tuple(f"{self.quotes[0]}{text}{self.quotes[1]}" for text in texts))

    def quotation(self, *texts: str) -> dict[str, str]:
        """The slots that quote the texts."""
        number = "one" if len(texts) == 1 else "many"
        word = self.text[number]
        return {"quoted": self.quoted(*texts), "text": word, "Text": self.text[number.title()]}

    def plainly_quoted(self, text: str) -> str:
        """The plainest first sentence that quotes a text."""
        plain = (t for t in reversed(self.heads["any"]) if set(_fields(t)) == {"text", "quoted"})
        return f"{next(plain).format(**self.quotation(text))}."

    def joined(self, tones: tuple[str, ...]) -> str:
        """ "a", "a and b", "a, b and c"."""
        if len(tones) < 2:
            return "".join(tones)
        return f"{', '.join(tones[:-1])} {self.conjunction} {tones[-1]}"


def _fields(template: str) -> list[str]:
    return [field for _, field, _, _ in Formatter().parse(template) if field]


def load_phrases() -> dict[str, Phrases]:
    """Every phrase file of the package, by language subtag."""
    folder = resources.files("app.captioning.embedded") / "phrases"
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda entry: entry.name,
    )
    return {
        name: _phrases(name, tomllib.loads(entry.read_text(encoding="utf-8")))
        for entry in found
        for name in [entry.name.removesuffix(".toml")]
    }


def _phrases(locale: str, data: dict[str, Any]) -> Phrases:
    tables = {
        name: data[name]
        for name in ("text", "tone", "one", "many", "place", "size", "form", "light")
    }
    return Phrases(
        locale=locale,
        conjunction=data["and"],
        quotes=(data["quotes"][0], data["quotes"][1]),
        named=data["named"],
        link=data["link"],
        item=data.get("item", data["tone"]),
        ground=data.get("ground", data["tone"]),
        heads={kind: tuple(lines) for kind, lines in data["heads"].items()},
        extras={kind: tuple(lines) for kind, lines in data["extras"].items()},
        **tables,
    )
