"""Faces are counted where their number is certain, and only where they may be a living person's."""

import numpy as np
import pytest
from PIL import Image

from app.vision.faces import MIN_SCORE, FaceDetector, count_certain, letterbox, place_anchors
from app.vision.features import FaceCount
from app.vision.networks.blazeface import INPUT_PX


class OneFace:
    """Stands in for the session of the detector: one face with this score, in the middle or
    `offset` of the width from there."""

    def __init__(self, score: float, offset: float = 0.0) -> None:
        self._offset_px = offset * INPUT_PX
        self._logit = float(np.log(score / (1 - score)))

    def run(self, _outputs: object, _inputs: object) -> list[np.ndarray]:
        anchors = place_anchors()
        scores = np.full((1, len(anchors), 1), -50, np.float32)
        boxes = np.zeros((1, len(anchors), 16), np.float32)
        middle = int(np.abs(anchors - 0.5).sum(axis=1).argmin())
        scores[0, middle, 0] = self._logit
        boxes[0, middle, :4] = [self._offset_px, 0, INPUT_PX / 4, INPUT_PX / 4]
        return [scores, boxes]


def count(colour: tuple[int, int, int], *, score: float = 0.95, beside: str = "teal") -> int:
    """The faces in a picture whose only face has this colour."""
    image = Image.new("RGB", (200, 200), beside)
    image.paste(colour, (60, 60, 140, 140))
    return FaceDetector(OneFace(score)).count_faces(image, min_score=MIN_SCORE).least


NOBODY, SOMEBODY = FaceCount(), FaceCount(1, are_all=False)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], NOBODY),
        ([0.75], NOBODY),
        ([0.85], FaceCount(1)),
        ([0.85, 0.82], FaceCount(2)),
        ([0.85, 0.65], SOMEBODY),
        ([0.85, 0.82, 0.35], SOMEBODY),
        ([0.85, 0.35], FaceCount(1)),
        ([0.85, 0.45], SOMEBODY),
        ([0.9, 0.9, 0.45], SOMEBODY),
        ([0.9, 0.9, 0.65, 0.45], FaceCount(3)),
        ([0.75, 0.75], NOBODY),
    ],
)
def test_one_sure_face_and_a_doubtful_one_are_no_single_person(scores, expected):
    """Of a group often one face alone is clear: it is not one person, nor are two faces a pair."""
    assert count_certain(np.array(scores, np.float32), 0.8) == expected


def test_a_face_beside_the_middle_may_not_be_the_only_person():
    """The other one looks away, so that only the back of the head is seen."""
    image = Image.new("RGB", (200, 200), "teal")
    image.paste((198, 134, 94), (0, 40, 200, 160))
    for offset, is_aside in ((0.0, False), (0.1, False), (0.25, True), (-0.25, True)):
        count = FaceDetector(OneFace(0.95, offset)).count_faces(image, min_score=MIN_SCORE)
        assert count == FaceCount(1, is_aside=is_aside)


@pytest.mark.parametrize("skin", [(241, 194, 167), (198, 134, 94), (141, 85, 54), (74, 44, 30)])
def test_skin_of_every_lightness_counts(skin):
    assert count(skin) == 1


@pytest.mark.parametrize("material", [(128, 128, 128), (92, 128, 112), (60, 90, 160)])
def test_a_face_of_stone_bronze_or_ink_is_no_person(material):
    assert count(material) == 0


def test_in_a_picture_without_colour_grey_faces_count():
    assert count((128, 128, 128), beside="black") == 1


def test_a_doubtful_face_is_none():
    assert count((198, 134, 94), score=0.7) == 0


def test_the_picture_is_letterboxed_whole():
    assert letterbox(Image.new("RGB", (300, 100), "white")).shape == (1, 3, INPUT_PX, INPUT_PX)
