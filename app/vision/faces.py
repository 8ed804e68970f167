"""Counts the faces of people in an image, with BlazeFace (networks/blazeface.py).

Only their number is used. Nothing is derived from a face: not who it is, and nothing about them.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.vision.colour_naming import GREY_MAX_CHROMA
from app.vision.features import FaceCount
from app.vision.networks.blazeface import ANCHORS, INPUT_PX
from app.vision.oklab import to_oklab
from app.vision.onnx_session import OnnxSession

MIN_SCORE, THING_MIN_SCORE = 0.8, 0.9
"""Of a face that is certain, and of one on a plain background or without anything that is worn,
where things have marks that look like one. Of 356 everyday pictures 61 have a face of 0.8, each of
them a person; at 0.7 one in 80 has none. A sliced kiwi and a door knob had 0.86."""
MORE_MIN_SCORE, DOUBTFUL_MIN_SCORE = 0.6, 0.4
"""Beside a face that is certain: of another that counts too, and of one that may be another. In 11
of 23 groups only one face was certain, and each of these but one had another of 0.4; of 34 people
alone none had."""
PAIR_DOUBTFUL_MIN_SCORE = 0.3
"""Of a third face beside two. Both of two people must be certain: of nine pictures with two faces
of 0.6, four showed one person or more than two, and in none of these did both have 0.8."""
MIN_SKIN_SHARE = 0.3
"""Of the middle of a face, in the hue that all skin has, from pink to ochre. Bronze, stone, drawn
faces and marks on grey things had under 0.1, and each of 60 people but one over 0.4."""
SKIN_HUE_DEGREES, SKIN_MIN_CHROMA = (0.0, 95.0), 0.015
"""In OKLab. Skins differ in lightness."""
ASIDE_MIN_OFFSET = 0.15
"""Of the middle of a face from that of the picture, as a share of its width. Of 40 faces of people
alone 37 were nearer; where two people look at each other, the one face that is seen is aside."""
MIN_SIZE = 0.03
"""Of the longer side of the image. A smaller face is a spot."""
MAX_OVERLAP = 0.3
"""Of two boxes, as intersection over union, that are two faces."""
GRIDS = ((16, 2), (8, 6))
"""Cells of a side, and anchors of a cell, of each of the two grids; all anchors have the size of
the image (MediaPipe's ssd_anchors_calculator with strides 16, 32, 32 and 32)."""
MAX_LOGIT = 80.0
SEVERAL = 3
"""From this number on captions say "several"."""

Boxes = NDArray[np.float32]
"""n x 4: left, top, right, bottom as shares of the square that the detector sees."""


class FaceDetector:
    """The detector and its anchors."""

    def __init__(self, session: OnnxSession) -> None:
        self._session = session
        self._anchors = place_anchors()

    def count_faces(self, image: Image.Image, *, min_score: float) -> FaceCount:
        """How many faces are certain to be in an image of RGB. `min_score`: of the surest."""
        pixels = letterbox(image)
        scores, boxes = self._session.run(None, {"pixels": pixels})
        kept, certainty = select_faces(scores, boxes, self._anchors, PAIR_DOUBTFUL_MIN_SCORE)
        if not len(kept):
            return FaceCount()
        rgb = ((pixels[0].transpose(1, 2, 0) + 1) * 127.5).round().astype(np.uint8)
        has_skin = np.array([_has_skin(rgb, box) for box in kept], np.bool_)
        count = count_certain(certainty[has_skin], min_score)
        if count.least != 1:
            return count
        left, _, right, _ = kept[has_skin][0]
        offset = abs(float(left + right) / 2 - 0.5) * max(image.size) / image.width
        return replace(count, is_aside=offset >= ASIDE_MIN_OFFSET)

    def warm_up(self) -> None:
        """Runs everything once: a confined child process cannot import a module later."""
        pixels = letterbox(Image.linear_gradient("L").convert("RGB"))
        self._session.run(None, {"pixels": pixels})
        _has_skin(np.zeros((8, 8, 3), np.uint8), np.array([0, 0, 1, 1], np.float32))


def count_certain(certainty: NDArray[np.float32], min_score: float) -> FaceCount:
    """How many faces there are, from the scores of all that may be one."""
    if not (certainty >= min_score).any():
        return FaceCount()
    count = int((certainty >= MORE_MIN_SCORE).sum())
    if count >= SEVERAL:  # however many more there are
        return FaceCount(count)
    doubtful = certainty[certainty < MORE_MIN_SCORE].max(initial=0.0)
    if count == 1:
        return FaceCount(1, are_all=bool(doubtful < DOUBTFUL_MIN_SCORE))
    are_certain = int((certainty >= min_score).sum()) == count
    if are_certain and doubtful < PAIR_DOUBTFUL_MIN_SCORE:
        return FaceCount(count)
    return FaceCount(1, are_all=False)


def _has_skin(rgb: NDArray[np.uint8], box: NDArray[np.float32]) -> bool:
    """Whether a face has the hue of skin, or the picture no hue at all."""
    size = rgb.shape[0]
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    columns = slice(_pixel(left + width / 4, size), _pixel(right - width / 4, size) + 1)
    rows = slice(_pixel(top + height / 4, size), _pixel(bottom - height / 4, size) + 1)
    lab = to_oklab(rgb[rows, columns])
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    lowest, highest = SKIN_HUE_DEGREES
    is_skin = (hue >= lowest) & (hue <= highest) & (chroma >= SKIN_MIN_CHROMA)
    return float(is_skin.mean()) >= MIN_SKIN_SHARE or _is_greyscale(rgb)


def _pixel(share: float, size: int) -> int:
    return int(min(max(share, 0.0), 1.0) * (size - 1))


def _is_greyscale(rgb: NDArray[np.uint8]) -> bool:
    lab = to_oklab(rgb[::4, ::4])
    return float(np.percentile(np.hypot(lab[..., 1], lab[..., 2]), 99)) < GREY_MAX_CHROMA


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
) -> tuple[Boxes, NDArray[np.float32]]:
    """The best box of each face and its score, the surest first, from the detector's outputs."""
    certainty = 1 / (1 + np.exp(-scores.reshape(-1).clip(-MAX_LOGIT, MAX_LOGIT)))
    centre = boxes[0, :, :2] / INPUT_PX + anchors
    size = boxes[0, :, 2:4] / INPUT_PX
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    is_face = (certainty >= min_score) & (size.min(axis=1) >= MIN_SIZE)
    kept: list[int] = []
    for index in np.flatnonzero(is_face)[np.argsort(-certainty[is_face], kind="stable")]:
        if all(_overlap(corners[index], corners[other]) < MAX_OVERLAP for other in kept):
            kept.append(int(index))
    return corners[kept].astype(np.float32), certainty[kept].astype(np.float32)


def _overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union."""
    left, top = np.maximum(one[:2], other[:2])
    right, bottom = np.minimum(one[2:], other[2:])
    common = max(0.0, float(right - left)) * max(0.0, float(bottom - top))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return common / max(areas - common, 1e-9)
