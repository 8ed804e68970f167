"""Tells what shows or imitates a thing from the thing itself: toys, framed pictures, printed mugs.

The network of ImageNet takes a toy for what it is a model of, and a framed picture for a screen.
A little of its probability still goes to the classes of what it really is. All figures are of 302
pictures of 16 shops, the 233 of the labelled sample, and one picture of each of 200 classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOY = "toy"
"""The concept that is named where nothing more is certain of a toy."""
TOY_CLASSES = ("toyshop", "teddy")
TOY_MIN_PROBABILITY = 0.4
"""From which on a toy is named: eight pictures had more, each of toys."""
LIKENESS_MIN_PROBABILITY = 0.1
"""From which on what toys imitate is not named. But for toys, no picture in which anything was
named had over 0.03."""
IMITATED_KINDS = frozenset({
    "animal", "building", "food", "footwear", "garment", "headgear", "instrument", "vehicle",
})  # fmt: skip
"""What toys are models of, or wear."""
MODEL_CLASSES, MODEL_MIN_PROBABILITY = ("toyshop",), 0.001
"""From which on a vehicle is a model: four model cars and lorries that stood in a scene had 0.0011
to 0.04, and of 26 vehicles none had over 0.0008 that was named."""
FRAME_CLASSES = ("entertainment_center", "home_theater", "television")
FRAME_MIN_PROBABILITY, SCREEN_MIN_PROBABILITY = 0.25, 0.4
"""Of these together, and of the most probable one where it is a screen: framed pictures on a wall
are spread over all three."""
FLAT_CLASSES = (*FRAME_CLASSES, "book_jacket", "medicine_chest", "monitor", "screen", "web_site")
FLAT_MIN_PROBABILITY = 0.15
"""From which on a face may be in a picture that is seen. Of 66 pictures of people one had more."""
CUP_CLASSES, CUP_MIN_PROBABILITY = ("coffee_mug", "cup"), 0.05
"""Likewise, printed on a mug: those had 0.11 and more, and no picture of people over 0.02."""


@dataclass(frozen=True, slots=True)
class Likenesses:
    """The outputs of the classifier that tell of likenesses."""

    toys: tuple[int, ...]
    models: tuple[int, ...]
    frames: tuple[int, ...]
    flat: tuple[int, ...]
    cups: tuple[int, ...]

    @classmethod
    def of(cls, classes: Sequence[str]) -> "Likenesses":
        """From the names of all classes, in the order of the outputs."""
        groups = (TOY_CLASSES, MODEL_CLASSES, FRAME_CLASSES, FLAT_CLASSES, CUP_CLASSES)
        return cls(*(tuple(map(classes.index, names)) for names in groups))

    def weigh_toys(self, classes: NDArray[np.float32]) -> float:
        """The probability of what is certainly a toy, 0 to 1."""
        return float(classes[list(self.toys)].sum())

    def may_be_likeness(self, kind: str, classes: NDArray[np.float32]) -> bool:
        """Whether what looks like a thing of this kind may be a toy or a picture."""
        if kind in IMITATED_KINDS and self.weigh_toys(classes) >= LIKENESS_MIN_PROBABILITY:
            return True
        if kind == "vehicle":
            return bool(classes[list(self.models)].sum() >= MODEL_MIN_PROBABILITY)
        frames = classes[list(self.frames)]
        is_framed = frames.sum() >= FRAME_MIN_PROBABILITY and frames.max() < SCREEN_MIN_PROBABILITY
        return kind == "electronics" and bool(is_framed)

    def may_show_face(self, classes: NDArray[np.float32]) -> bool:
        """Whether a face may be a toy's, or in a frame, on a screen or on a mug."""
        return bool(
            self.weigh_toys(classes) >= LIKENESS_MIN_PROBABILITY
            or classes[list(self.flat)].sum() >= FLAT_MIN_PROBABILITY
            or classes[list(self.cups)].sum() >= CUP_MIN_PROBABILITY
        )
