"""The kind of each concept, without the recogniser, which the server process does not import."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

WORN_KINDS = frozenset({"garment", "footwear", "headgear"})
"""What a person is "in"."""
NEAR_SKIN_KINDS = WORN_KINDS | {"accessory"}
"""What is often shown on a person."""
UNCOLOURED_KINDS = frozenset({"drink", "place"})
"""Things whose colour is that of something else."""


@dataclass(frozen=True, slots=True)
class ConceptKind:
    """What sentences need to know of a concept; concepts.toml has the rest."""

    kind: str
    general: str | None
    """The concept that it is one of: a backpack is a bag."""


@functools.cache
def load_concept_kinds() -> Mapping[str, ConceptKind]:
    """By concept, in the order of the file."""
    file = resources.files("app.vision") / "concepts.toml"
    return {
        concept: ConceptKind(row["kind"], row.get("general"))
        for concept, row in tomllib.loads(file.read_text(encoding="utf-8")).items()
    }


def generals_of(concept: str) -> tuple[str, ...]:
    """The concepts above a concept, the nearest first."""
    general = load_concept_kinds()[concept].general
    return () if general is None else (general, *generals_of(general))
