"""Reads folders of labelled pictures, and finds the concepts that the words of their labels mean.

A folder has pictures and `labels.jsonl`, one object a line: `file`, and `objects` (a list of
everything that can be seen), `path` (a name that says what the picture shows), or both.
`picture_labels.toml` says which concepts the words mean; what no label says is not there. Of
`objects` the words `person` and `people` say whether one person is seen or several. `product` is
the class of `product_classes.toml` that the picture trains.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.vision.concepts import ConceptTable, load_concepts

_WORDS = Path(__file__).with_name("picture_labels.toml")
_MAX_WORDS = 3


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture of a folder, and what its label says."""

    path: Path
    true: frozenset[str]
    """The concepts that are in it, with the more general ones."""
    unchecked: frozenset[str]
    """Concepts that may be in it: its label is only the more general word."""
    people: int
    """0, 1, or 2 for several."""
    product: str | None = None
    """The class of products that it trains."""

    @property
    def source(self) -> str:
        """Where it comes from: its name up to the first hyphen."""
        return self.path.name.split("-")[0]

    @property
    def sets_thresholds(self) -> bool:
        """Whether it belongs to the half that sets thresholds; by the hash of its name."""
        return hashlib.sha256(self.path.name.encode()).digest()[0] % 2 == 0


def read_folder(folder: Path) -> Iterator[LabelledPicture]:
    """The pictures of a folder, in the order of its labels."""
    labels = Labels(load_concepts())
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, filter(None, lines)):
        true, unchecked = labels.find(row)
        objects = {str(word).casefold() for word in row.get("objects") or ()}
        people = 2 if "people" in objects else int("person" in objects)
        product = row.get("product")
        yield LabelledPicture(folder / row["file"], true, unchecked, people, product)


class Labels:
    """Finds the concepts that the words of a label mean."""

    def __init__(self, table: ConceptTable) -> None:
        self._table = table
        words = {name.replace("_", " "): name for name in table.concepts}
        self._concepts = words | tomllib.loads(_WORDS.read_text(encoding="utf-8"))

    def find(self, row: Mapping[str, object]) -> tuple[frozenset[str], frozenset[str]]:
        """The concepts in a picture, and those that may be in it."""
        objects = row.get("objects")
        texts = [row.get("path", ""), *(objects if isinstance(objects, list) else ())]
        found = {concept for text in texts for concept in self._read(str(text))}
        named = {concept.removesuffix("*") for concept in found}
        true = named | {general for name in named for general in self._table.generals_of(name)}
        open_ended = {concept.removesuffix("*") for concept in found if concept.endswith("*")}
        unchecked = {
            name
            for name in self._table.concepts
            if name not in true and not open_ended.isdisjoint(self._table.generals_of(name))
        }
        return frozenset(true), frozenset(unchecked)

    def _read(self, text: str) -> Iterator[str]:
        """The concepts of the longest runs of words that mean one."""
        words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
        while words:
            for length in range(min(_MAX_WORDS, len(words)), 0, -1):
                concept = self._lookup(" ".join(words[:length]))
                if concept:
                    yield concept
                    break
            words = words[length if concept else 1 :]

    def _lookup(self, phrase: str) -> str | None:
        for form in (phrase, phrase.removesuffix("s"), phrase.removesuffix("es")):
            if form in self._concepts:
                return str(self._concepts[form])
        return None
