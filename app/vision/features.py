"""Features: what the pixels of an image prove. Colours, layout, category and text, no words."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from app.vision.colour_names import ColourShare
from app.vision.text_lines import TextBlock

Triage = Literal["describable", "decorative", "uncertain"]
"""`uncertain`: too blurred or too dark to recognise anything."""

Category = Literal[
    "cutout", "shapes", "icon", "graphic", "chart", "document", "drawing", "photo", "any"
]
"""The kind of image, claimed only on good evidence; otherwise `any`.

cutout: one subject on a plain background. shapes: several flat shapes on a plain background (a
logo, a word mark). icon: a tiny flat image. graphic: flat colours without a plain background.
chart: aligned rectangles on a plain background. document: rows of text-like marks. drawing: thin
lines on a plain background. photo: continuous tones everywhere (a painting looks the same, so the
wording must allow for it).
"""

WORD_LETTERS = 3
"""Noise and tiles are sometimes read as one or two letters, never as three reliable ones."""

Orientation = Literal["square", "landscape", "portrait", "panorama", "column"]
"""`column`: a tall strip, as a panorama is a wide one."""
Brightness = Literal["dark", "medium", "bright"]
Outline = Literal["tall", "wide", "round", "unspecified"]
Position = Literal["centre", "left", "right", "top", "bottom", "unspecified"]


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject on a plain background."""

    colours: tuple[ColourShare, ...]
    outline: Outline
    position: Position
    area_share: float
    """Of the image, 0 to 1."""
    has_shadow: bool


@dataclass(frozen=True, slots=True)
class RegionColours:
    """The main colour of each region of the image; None where no colour covers half of it."""

    top: str | None
    bottom: str | None
    left: str | None
    right: str | None
    centre: str | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A thing, an animal or a place that the recogniser is sure to see in the image."""

    concept: str
    """The id of a concept in `concepts.toml`."""
    probability: float
    """Of the recogniser, 0 to 1; only comparable among the sightings of one image."""


@dataclass(frozen=True, slots=True)
class FaceCount:
    """How many faces of people are certain to be in an image."""

    least: int = 0
    are_all: bool = True
    """False where there may be more people than these."""
    is_aside: bool = False
    """Whether there is one face, and it is not in the middle of the width."""


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one image. Equal pixels have equal features."""

    triage: Triage
    triage_reason: str
    """Unless describable: `spacer`, `blank`, `divider`, `dark`, `gradient`, `blurred`, `pattern` or
    `texture`."""
    category: Category
    orientation: Orientation
    brightness: Brightness
    is_greyscale: bool
    colours: tuple[ColourShare, ...]
    """The largest first: of the subject on a plain background, otherwise of the whole image."""
    background: str | None
    """The colour of a plain background, if there is one."""
    subject: Subject | None
    regions: RegionColours
    bands: tuple[str, str] | None
    """The colours of an upper and a lower band that together fill the image."""
    text: tuple[TextBlock, ...] = ()
    """The text found by OCR, in reading order; empty if OCR did not run."""
    sightings: tuple[Sighting, ...] = ()
    """What is in the image, the surest first; empty where nothing is sure or nothing was looked
    for. No sighting is only the general concept of another one."""
    faces: int = 0
    """How many faces of people are certain to be in the image. They are only counted."""
    are_all_faces: bool = True
    """False where there may be more people than faces."""
    fills_box: bool = False
    """What stands on a plain background fills its bounding box, as packs, posters and cushions do
    and animals do not: what it shows may be a picture on it."""
    is_complete: bool = True
    """False where OCR failed and another try may find text: not to be kept."""

    @property
    def may_have_text(self) -> bool:
        """False where no text could be visible, so that OCR is not needed."""
        return self.triage_reason not in {"spacer", "blank", "divider", "gradient"}

    @property
    def may_show_things(self) -> bool:
        """False where nothing is recognised: a blank or blurred image, a pattern, a drawn one.

        Several products on one background are `shapes`, as a logo is. Of 96 logos and screenshots
        nothing was named.
        """
        recognised = ("photo", "cutout", "shapes", "any")
        return self.triage == "describable" and self.category in recognised

    @property
    def is_text_sparse(self) -> bool:
        """Text is an exception in this image, and OCR needs to look for prominent text only.

        So too where the category is unknown: of 206 such pictures 21 have text, of which looking
        for prominent text first missed one, a number of three digits.
        """
        sparse = ("photo", "cutout", "any")
        return self.category in sparse or self.triage != "describable"

    def with_text(self, text: tuple[TextBlock, ...]) -> "Features":
        """The same features with text from OCR. An image with a word in it is describable."""
        has_word = any(sum(map(str.isalpha, block.text)) >= WORD_LETTERS for block in text)
        return replace(self, triage="describable" if has_word else self.triage, text=text)

    def with_sightings(
        self, sightings: tuple[Sighting, ...], faces: FaceCount | None = None
    ) -> "Features":
        """The same features with what the recogniser saw."""
        count = faces or FaceCount()
        return replace(self, sightings=sightings, faces=count.least, are_all_faces=count.are_all)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Features":
        """The features that `to_json` wrote. Raises KeyError or TypeError for anything else."""
        subject, bands = data["subject"], data["bands"]
        parsed = {
            "colours": _parse_colours(data["colours"]),
            "subject": subject
            and Subject(**{**subject, "colours": _parse_colours(subject["colours"])}),
            "regions": RegionColours(**data["regions"]),
            "bands": bands and (bands[0], bands[1]),
            "text": tuple(TextBlock(**block) for block in data["text"]),
            "sightings": tuple(Sighting(**sighting) for sighting in data["sightings"]),
        }
        return cls(**{**data, **parsed})


def _parse_colours(data: list[dict[str, Any]]) -> tuple[ColourShare, ...]:
    return tuple(ColourShare(**share) for share in data)
