"""What can be known of a picture from its pixels alone: colours, layout, light, format."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from app.vision.colour_names import ColourShare
from app.vision.text_lines import TextBlock

Triage = Literal["picture", "decorative", "uncertain"]

Kind = Literal[
    "cutout", "shapes", "icon", "graphic", "chart", "document", "drawing", "photo", "any"
]
"""Claimed only where the evidence is good; `any` is the neutral truth.

cutout: one object on a plain ground. shapes: several flat shapes on a plain ground (a logo, a
word mark). icon: a tiny flat picture. graphic: flat colours without a plain ground. chart: aligned
rectangles on a plain ground. document: rows of text-like marks. drawing: thin lines on a plain
ground. photo: continuous tones everywhere (a painting looks the same: words must allow for it).
"""

WORD_LETTERS = 3
"""Noise and tiles are read as one or two letters, never as three sure ones."""

Form = Literal["square", "landscape", "upright", "panorama", "column"]
Light = Literal["dark", "middling", "bright"]
Outline = Literal["tall", "wide", "round", "plain"]
Place = Literal["centre", "left", "right", "top", "bottom", "on"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What stands on a plain ground: its colours, its box's outline and place, its area 0..1."""

    colours: tuple[ColourShare, ...]
    outline: Outline
    place: Place
    area: float
    has_shadow: bool


@dataclass(frozen=True, slots=True)
class Regions:
    """The leading colour of a part of the picture, where one leads there; else None."""

    top: str | None
    bottom: str | None
    left: str | None
    right: str | None
    centre: str | None


@dataclass(frozen=True, slots=True)
class Features:
    """Facts of one picture; equal pixels give equal facts."""

    verdict: Triage
    reason: str
    """For decorative and uncertain, what was seen: `blank`, `gradient`, `blurred`..."""
    kind: Kind
    form: Form
    light: Light
    is_grey: bool
    """No colour anywhere: a black-and-white picture."""
    colours: tuple[ColourShare, ...]
    ground: str | None
    """The colour of a plain ground, where there is one."""
    subject: Subject | None
    regions: Regions
    layers: tuple[str, str] | None
    """Colour of an upper and of a lower band that divide the whole picture between them."""
    text: tuple[TextBlock, ...] = ()
    """What can be read in it, in reading order; empty where nobody has read."""

    @property
    def may_hold_text(self) -> bool:
        """False where no letter could hide."""
        return self.reason not in {"spacer", "blank", "divider", "gradient"}

    @property
    def is_sparse(self) -> bool:
        """Text is the exception in it, and only what stands out is worth looking for."""
        return self.kind in ("photo", "cutout") or self.verdict != "picture"

    def with_text(self, text: tuple[TextBlock, ...]) -> "Features":
        """The same with what was read in it: a picture with a word in it says something."""
        says_a_word = any(sum(map(str.isalpha, block.text)) >= WORD_LETTERS for block in text)
        verdict = "picture" if says_a_word else self.verdict
        return replace(self, verdict=verdict, text=text)

    def to_json(self) -> dict[str, Any]:
        """A dict that survives JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Features":
        """The sight that `to_json` wrote. Raises KeyError or TypeError on anything else."""
        subject, layers = data["subject"], data["layers"]
        rest = {
            "colours": _shares(data["colours"]),
            "subject": subject and Subject(**{**subject, "colours": _shares(subject["colours"])}),
            "regions": Regions(**data["regions"]),
            "layers": layers and (layers[0], layers[1]),
            "text": tuple(TextBlock(**block) for block in data["text"]),
        }
        return cls(**{**data, **rest})


def _shares(data: list[dict[str, Any]]) -> tuple[ColourShare, ...]:
    return tuple(ColourShare(**share) for share in data)
