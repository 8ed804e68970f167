"""Counts the faces of people in an image, with BlazeFace (networks/blazeface.py).

Only their number is used. Nothing is derived from a face: not who it is, and nothing about them.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.vision.networks.blazeface import ANCHORS, INPUT_PX
from app.vision.onnx_session import OnnxSession

MIN_SCORE, PLAIN_MIN_SCORE = 0.8, 0.9
"""Of a face that is certain, and of one on a plain background, where products have marks that look
like one. Of 356 everyday pictures 61 have a face of 0.8, each of them a person; at 0.7 one in
80 has none. A sliced kiwi had 0.86."""
MIN_SIZE = 0.03
"""Of the longer side of the image. A smaller face is a spot."""
MAX_OVERLAP = 0.3
"""Of two boxes, as intersection over union, that are two faces."""
GRIDS = ((16, 2), (8, 6))
"""Cells of a side, and anchors of a cell, of each of the two grids; all anchors have the size of
the image (MediaPipe's ssd_anchors_calculator with strides 16, 32, 32 and 32)."""
MAX_LOGIT = 80.0

Boxes = NDArray[np.float32]
"""n x 4: left, top, right, bottom as shares of the square that the detector sees."""


class FaceDetector:
    """The detector and its anchors."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session
        self._anchors = place_anchors()

    def count_faces(self, image: Image.Image, *, is_plain: bool) -> int:
        """How many faces are certain to be in an image of RGB.

        `is_plain`: it has a plain background.
        """
        return len(self.find_faces(image, PLAIN_MIN_SCORE if is_plain else MIN_SCORE))

    def find_faces(self, image: Image.Image, min_score: float) -> Boxes:
        """The boxes of the faces with at least this score."""
        pixels = letterbox(image)
        scores, boxes = self._session.run(None, {"pixels": pixels})
        return select_faces(scores, boxes, self._anchors, min_score)


def letterbox(image: Image.Image) -> NDArray[np.float32]:
    """The image scaled to fit the detector's square, in its middle on black, from -1 to 1."""
    scale = INPUT_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new("RGB", (INPUT_PX, INPUT_PX))
    left, top = (INPUT_PX - size[0]) // 2, (INPUT_PX - size[1]) // 2
    square.paste(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0), (left, top))
    pixels = np.asarray(square, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    return np.ascontiguousarray(pixels)


def place_anchors() -> NDArray[np.float32]:
    """The centre of every anchor, as shares of the square."""
    points = []
    for cells, anchors in GRIDS:
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        points.append(np.repeat(grid, anchors, axis=0))
    anchors_of_all: NDArray[np.float32] = np.concatenate(points).astype(np.float32)
    assert len(anchors_of_all) == ANCHORS  # noqa: S101 - the grids and the network fit together
    return anchors_of_all


def select_faces(
    scores: NDArray[np.float32],
    boxes: NDArray[np.float32],
    anchors: NDArray[np.float32],
    min_score: float,
) -> Boxes:
    """The best box of each face, from the outputs of the detector."""
    certainty = 1 / (1 + np.exp(-scores.reshape(-1).clip(-MAX_LOGIT, MAX_LOGIT)))
    centre = boxes[0, :, :2] / INPUT_PX + anchors
    size = boxes[0, :, 2:4] / INPUT_PX
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    is_face = (certainty >= min_score) & (size.min(axis=1) >= MIN_SIZE)
    kept: list[NDArray[np.float32]] = []
    for index in np.flatnonzero(is_face)[np.argsort(-certainty[is_face], kind="stable")]:
        if all(_overlap(corners[index], other) < MAX_OVERLAP for other in kept):
            kept.append(corners[index])
    return np.array(kept, np.float32).reshape(-1, 4)


def _overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union."""
    left, top = np.maximum(one[:2], other[:2])
    right, bottom = np.minimum(one[2:], other[2:])
    common = max(0.0, float(right - left)) * max(0.0, float(bottom - top))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return common / max(areas - common, 1e-9)
