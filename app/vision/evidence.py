"""Evidence that a caption is held against, as the server process gets it from child processes.

`colour_evidence` and `model_evidence` gather it. Without Pillow, which only they import.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from app.vision.colour_names import COLOUR_NAMES
from app.vision.concepts import load_concepts
from app.vision.features import Sighting

LINE_MAX_CHARS, MAX_LINES = 300, 200
_HEX_CODE = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class ColourEvidence:
    """Shares of colour names, 0 to 1; a name without a pixel is left out."""

    shares: dict[str, float]
    """Of the whole image, at 512 px; of a flat drawing without the blends at its edges."""
    subject: dict[str, float] | None
    """Of a single subject on a plain background, if there is one."""
    background: str | None
    """The colour of a plain background, if there is one."""
    is_flat: bool
    """Drawn in a few flat colours, so that each name is certain."""
    tones: dict[str, str] = field(default_factory=dict)
    """What each name looks like in the image: the mean of its pixels, `#rrggbb`."""
    is_small: bool = False
    """So few pixels that a small thing has lost its colour."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ColourEvidence":
        """What `measure_job` sent. Raises KeyError, TypeError or ValueError for anything else."""
        subject = data["subject"]
        background = data["background"]
        if background is not None and background not in COLOUR_NAMES:
            raise ValueError("not a colour name")
        return cls(
            shares=_parse_shares(data["shares"]),
            subject=None if subject is None else _parse_shares(subject),
            background=background,
            is_flat=bool(data["is_flat"]),
            tones=_parse_tones(data["tones"]),
            is_small=bool(data["is_small"]),
        )


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line of text that was found."""

    text: str
    """Empty where it was not read."""
    score: float
    """The confidence of the OCR model, 0 to 1."""


@dataclass(frozen=True, slots=True)
class SubjectEvidence:
    """What the recogniser makes of an image."""

    sightings: tuple[Sighting, ...]
    """What is certain, the surest first."""
    probabilities: dict[str, float]
    """Of every concept, its more special ones included, 0 to 1, in the whole image."""
    absent: frozenset[str] = frozenset()
    """Concepts that no view of the image supports (app/vision/absence.py)."""
    main: Sighting | None = None
    """The most general concept that is most probable on the mean of all views, however sure."""
    is_plain: bool = False
    """On a plain background: nothing stands beside the subject."""


def parse_lines(facts: dict[str, Any]) -> tuple[SeenLine, ...]:
    """The lines that a child process sent. Raises an exception for invalid data."""
    return tuple(
        SeenLine(str(text)[:LINE_MAX_CHARS], float(score))
        for text, score in facts["lines"][:MAX_LINES]
    )


def parse_subjects(facts: dict[str, Any]) -> SubjectEvidence | None:
    """What a child process sent. Raises an exception for invalid data."""
    subjects = facts["subjects"]
    if subjects is None:
        return None
    sightings = tuple(Sighting(str(name), float(p)) for name, p in subjects["sightings"])
    probabilities = {str(name): float(p) for name, p in subjects["probabilities"].items()}
    absent = frozenset(map(str, subjects["absent"]))
    main = Sighting(str(subjects["main"][0]), float(subjects["main"][1]))
    concepts = load_concepts().concepts.keys()
    named = absent.union(sighting.concept for sighting in (*sightings, main))
    if probabilities.keys() != concepts or not named <= concepts:
        raise ValueError("not the concepts")
    return SubjectEvidence(sightings, probabilities, absent, main, bool(subjects["is_plain"]))


def _parse_shares(data: dict[str, Any]) -> dict[str, float]:
    if not data.keys() <= set(COLOUR_NAMES):
        raise ValueError("not colour names")
    return {name: float(share) for name, share in data.items()}


def _parse_tones(data: dict[str, Any]) -> dict[str, str]:
    codes = {name: str(code) for name, code in data.items()}
    if not codes.keys() <= set(COLOUR_NAMES) or not all(map(_HEX_CODE.fullmatch, codes.values())):
        raise ValueError("not hex codes of colour names")
    return codes
