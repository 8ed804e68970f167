"""Read the text in a picture: what the reading child runs. Needs the extra `embedded`.

RapidOCR (https://github.com/RapidAI/RapidOCR) finds and reads lines with PaddleOCR's PP-OCRv6
models, which come inside its package. The models are named to it by path: it downloads nothing.
"""

import ctypes
import functools
import io
import math
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from app.vision.colours import name_of, to_oklab
from app.vision.text_lines import TextBlock, TextLine, in_blocks, trusted, without_labels
from app.workers.errors import JobRefused

Rgb = NDArray[np.uint8]
Corners = NDArray[np.float32]
"""4 x 2: upper left, upper right, lower right, lower left, in pixels."""

ROOM_BYTES = 176 * 1024 * 1024
"""Address space of one reading: measured 110 MB at FULL_PX, the rest for the picture itself."""
LONGEST_EDGE_PX = 1600
"""Nothing larger is looked at; a normalised picture has 1200."""
COARSE_PX, FULL_PX = 416 * 416, 640 * 640
"""Pixels in which lines are looked for. Finding takes 0.17 s in the coarse size and 0.45 s in the
full one; lettering of a scene is found in both, the small print of a page only in the full one."""
ENLARGED = 2.0
"""Small pictures are made larger, up to this, so that letters of 8 px are found."""
LEAST_SIDE_PX = 64
"""The finder's grid is 32 px: a flatter picture is put on a wider ground."""
LEAST_HEIGHT_PX = 6
EDGE_PX, CUT_CONTRAST = 2, 0.5
"""So near the picture's edge, with so much of a line's contrast in the last column of pixels, a
letter is cut off; letters that end before the edge leave it blank."""
MOST_LINES = 24
MOST_WIDTH_PX = 6_000
"""Of all lines together, each at the reader's 48 px: 0.1 s for 1,000 px."""


class Reader:
    """The two models; each is loaded when it is first needed."""

    def __init__(self) -> None:
        import cv2  # heavy, and only in the child
        from rapidocr import RapidOCR

        cv2.setNumThreads(0)
        models = resources.files("rapidocr") / "models"
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
                "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
                # The size is chosen here, not there.
                "Global.use_preprocess_img": False,
                "Global.use_vertical_padding": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": 100_000,
                # One line at a time takes no longer than six, and a sixth of the memory.
                "Rec.rec_batch_num": 1,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._cv2: Any = cv2

    def blocks(self, picture: Image.Image, *, is_sparse: bool) -> tuple[TextBlock, ...]:
        """What can surely be read, in reading order."""
        lines = self.lines(picture, is_sparse=is_sparse)
        return in_blocks(without_labels(trusted(lines)), *picture.size, found=lines)

    def lines(self, picture: Image.Image, *, is_sparse: bool) -> tuple[TextLine, ...]:
        """Every line that was found, sure or not; without text where there was no time to read it.

        `is_sparse`: the full size is looked at only where the coarse one has text.
        """
        bgr: Rgb = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        if is_sparse and not self._corners(bgr, COARSE_PX):
            return ()
        chosen, unread = _most_prominent(self._corners(bgr, FULL_PX))
        if not chosen:
            return ()
        crops = self._engine.crop_text_regions(bgr, chosen)
        read = self._engine.recognize_txt(crops)
        lines = zip(chosen, crops, read.txts, read.scores, strict=True)
        size = (bgr.shape[1], bgr.shape[0])
        told = [
            _line(corners, _whole_words(text, corners, bgr), float(score), size, _ink(crop))
            for corners, crop, text, score in lines
        ]
        return (*told, *(_line(corners, "", 0.0, size, "black") for corners in unread))

    def _corners(self, bgr: Rgb, most_px: int) -> list[Corners]:
        """Where lines stand, in pixels of the picture."""
        height, width = bgr.shape[:2]
        scale = min(ENLARGED, math.sqrt(most_px / (width * height)))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        smaller = self._cv2.INTER_AREA if scale < 1 else self._cv2.INTER_CUBIC
        sized = self._cv2.resize(bgr, size, interpolation=smaller)
        below, aside = max(0, LEAST_SIDE_PX - size[1]), max(0, LEAST_SIDE_PX - size[0])
        padded = self._cv2.copyMakeBorder(sized, 0, below, 0, aside, self._cv2.BORDER_REPLICATE)
        boxes = self._engine(padded, use_det=True, use_cls=False, use_rec=False).boxes
        found = (
            [] if boxes is None else [np.asarray(box, dtype=np.float32) / scale for box in boxes]
        )
        clipped = (box.clip((0, 0), (width, height)).astype(np.float32) for box in found)
        return [box for box in clipped if _may_be_text(box, min(width, height))]


def read_job(
    data: BinaryIO, args: dict[str, Any], room: Callable[[int], None]
) -> tuple[dict[str, Any], bytes]:
    """The child's side: JPEG bytes in, the fields of each Block out."""
    room(ROOM_BYTES)
    try:
        with Image.open(io.BytesIO(data.read()), formats=("JPEG", "PNG")) as picture:
            picture.draft("RGB", (LONGEST_EDGE_PX, LONGEST_EDGE_PX))
            upright = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        # Refused, not failed: a child that fails is replaced, and its models are loaded again.
        raise JobRefused("unreadable", type(error).__name__) from error
    upright.thumbnail((LONGEST_EDGE_PX, LONGEST_EDGE_PX))
    blocks = _reader().blocks(upright, is_sparse=bool(args.get("is_sparse")))
    return {"blocks": [asdict(block) for block in blocks]}, b""


def warm_up() -> None:
    """Load the models and read once: in the child, what is not open by then cannot be."""
    _give_memory_back()
    drawn = Image.new("RGB", (640, 640), "white")
    draw = ImageDraw.Draw(drawn)
    draw.text((40, 80), "Warming up 123", fill="black", font=ImageFont.load_default(60))
    draw.text((40, 300), "A longer line, so that it is wide enough", fill="black")
    encoded = io.BytesIO()
    drawn.save(encoded, "JPEG")
    encoded.seek(0)
    facts, _ = read_job(encoded, {"is_sparse": True}, lambda *_: None)
    if not facts["blocks"]:
        raise RuntimeError("the reader cannot read its own test picture")


@functools.cache
def _reader() -> Reader:
    return Reader()


def _give_memory_back() -> None:
    """Have the allocator map large pieces one by one: what a reading took is free after it.

    Otherwise the process keeps 200 MB that it needs for a second (measured; it costs a fifth of
    the speed). Only the GNU C library has these knobs (malloc.h); elsewhere nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1024 * 1024)
        mallopt(trim_threshold, 1024 * 1024)


def _size(corners: Corners) -> tuple[float, float]:
    """Length and height of a line in pixels. Standing ones are read turned, as they are cropped."""
    across = float(np.linalg.norm(corners[1] - corners[0]))
    down = float(np.linalg.norm(corners[3] - corners[0]))
    return (down, across) if down > 1.5 * across else (across, down)


def _may_be_text(corners: Corners, short_px: int) -> bool:
    """A line is longer than it is high; a single tall sign is a wheel, a sleeve or a rim."""
    length, height = _size(corners)
    return height >= LEAST_HEIGHT_PX and (length > 1.3 * height or height < 0.3 * short_px)


def _most_prominent(found: list[Corners]) -> tuple[list[Corners], list[Corners]]:
    """As many lines as there is time for: the tallest first, of equally tall ones the upper.

    And the others, which nobody reads.
    """
    sized = [(corners, *_size(corners)) for corners in found]
    tallest = max((height for _, _, height in sized), default=1.0)
    # Heights within a quarter of each other are one size of print.
    sized.sort(key=lambda one: (round(math.log(tallest / one[2], 1.25)), one[0][:, 1].min()))
    chosen: list[Corners] = []
    unread: list[Corners] = []
    left_px = float(MOST_WIDTH_PX)
    for corners, length, height in sized:
        width = max(320.0, 48 * length / height)
        is_chosen = width <= left_px and len(chosen) < MOST_LINES
        (chosen if is_chosen else unread).append(corners)
        left_px -= width if is_chosen else 0
    return chosen, unread


def _whole_words(text: str, corners: Corners, bgr: Rgb) -> str:
    """The text without a word that the picture's edge cuts off: ink runs over the edge there."""
    if _is_tilted(corners):
        return text.strip()
    left, top = (max(0, int(v)) for v in corners.min(axis=0))
    right, bottom = (int(v) for v in np.ceil(corners.max(axis=0)))
    grey = bgr[top:bottom, left:right].mean(axis=2)
    words = text.split()
    if not grey.size or not words:
        return ""
    contrast = CUT_CONTRAST * np.ptp(grey)
    if right >= bgr.shape[1] - EDGE_PX and np.ptp(grey[:, -1]) > contrast:
        words = words[:-1]
    if left <= EDGE_PX and np.ptp(grey[:, 0]) > contrast:
        words = words[1:]
    return " ".join(words)


def _ink(crop: Rgb) -> str:
    """The letters' colour: what differs most from the rim of the crop, which is their ground."""
    sampled = crop[:: max(1, crop.shape[0] // 64), :: max(1, crop.shape[1] // 256), ::-1]
    lab = to_oklab(np.ascontiguousarray(sampled))
    rim = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    distance = np.sqrt(((lab - np.median(rim, axis=0)) ** 2).sum(axis=2))
    pure = distance >= 0.9 * np.percentile(distance, 98)
    return name_of(np.median(lab[pure], axis=0))


def _line(corners: Corners, text: str, score: float, size: tuple[int, int], ink: str) -> TextLine:
    width, height = size
    left, top = (float(v) for v in corners.min(axis=0))
    right, bottom = (float(v) for v in corners.max(axis=0))
    tall = round(_size(corners)[1], 1)
    edges = (left / width, top / height, right / width, bottom / height)
    return TextLine(text, score, *edges, height_px=tall, ink=ink, is_tilted=_is_tilted(corners))


def _is_tilted(corners: Corners) -> bool:
    across, down = np.abs(corners[1] - corners[0])
    return bool(min(across, down) > 0.3 * max(across, down))
