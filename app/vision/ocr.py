"""OCR with RapidOCR. Runs in a child process, as the handler `ocr_job`; see `ocr_pool`.

RapidOCR (https://github.com/RapidAI/RapidOCR) detects and recognises lines with PaddleOCR's
PP-OCRv6 models, which its package contains. They are passed by path, so that nothing is downloaded.
Needs the extra `embedded`.
"""

import ctypes
import functools
import io
import math
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from app.vision.colour_naming import name_colour
from app.vision.oklab import oklab_distance, to_oklab
from app.vision.onnx_session import OnnxSession, round_subnormals_to_zero, shrink_arena
from app.vision.text_lines import (
    TextBlock,
    TextLine,
    drop_tilted_labels,
    group_into_blocks,
    keep_reliable,
)
from app.workers.errors import JobRefused
from app.workers.handler import Reserve

RgbPixels = NDArray[np.uint8]
BgrPixels = NDArray[np.uint8]
Corners = NDArray[np.float32]
"""4 x 2: upper left, upper right, lower right, lower left, in pixels."""

DETECTOR_FILE, RECOGNISER_FILE = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
JOB_MEMORY_BYTES = 176 * 1024 * 1024
"""Address space of one job: measured 110 MB at FULL_PIXELS, the rest for the image itself."""
LONGEST_EDGE_PX = 1600
"""A larger image is reduced; a normalised image has 1200."""
COARSE_PIXELS, FULL_PIXELS = 416 * 416, 640 * 640
"""Sizes of the image for detection, which takes 0.04 s at the coarse and 0.1 s at the full size.
Lettering in a scene is detected at both, the small print of a page at the full size only."""
MAX_ENLARGEMENT = 2.0
"""Small images are enlarged, so that letters of 8 px are detected."""
DETECTOR_MIN_SIDE_PX = 64
"""The detector's grid is 32 px: a flatter image is padded."""
MIN_LINE_HEIGHT_PX = 6
EDGE_PX, CUT_CONTRAST_SHARE = 2, 0.5
"""A letter is cut off where a line ends this near the image's edge and the last column of pixels
has this share of the line's contrast; a whole letter leaves that column blank."""
MAX_LINES = 24
MAX_TOTAL_WIDTH_PX = 6_000
"""Of all lines at the recogniser's height of 48 px: 0.1 s for 1,000 px."""


class OcrEngine:
    """The detection and the recognition model."""

    def __init__(self) -> None:
        import cv2  # heavy, and only used in the child process
        from rapidocr import RapidOCR

        cv2.setNumThreads(0)
        round_subnormals_to_zero()
        models = Path(str(resources.files("rapidocr") / "models"))
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Det.model_path": str(models / DETECTOR_FILE),
                "Rec.model_path": str(models / RECOGNISER_FILE),
                # The image is resized here instead.
                "Global.use_preprocess_img": False,
                "Global.use_vertical_padding": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": 100_000,
                # One line at a time is as fast as six, with a sixth of the memory.
                "Rec.rec_batch_num": 1,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._cv2: Any = cv2
        self._open_sessions(models)

    def _open_sessions(self, models: Path) -> None:
        """Replaces the sessions of RapidOCR by those of `onnx_session`."""
        # It opens its own at their first use, and without an arena.
        blank = np.zeros((DETECTOR_MIN_SIDE_PX, DETECTOR_MIN_SIDE_PX, 3), np.uint8)
        self._engine(blank, use_det=True, use_cls=False, use_rec=False)
        self._engine.recognize_txt([blank])
        self._engine.text_det.session.session = OnnxSession(models / DETECTOR_FILE)
        self._engine.text_rec.session.session = OnnxSession(models / RECOGNISER_FILE)
        # As lists they become double precision, which takes 11 ms longer for each image.
        self._engine.text_det.mean = self._engine.text_det.std = np.full(3, 0.5, np.float32)

    def read_blocks(self, image: Image.Image, *, is_text_sparse: bool) -> tuple[TextBlock, ...]:
        """The reliable text in reading order."""
        lines = self.read_lines(image, is_text_sparse=is_text_sparse)
        reliable = drop_tilted_labels(keep_reliable(lines))
        return group_into_blocks(reliable, *image.size, detected=lines)

    def read_lines(self, image: Image.Image, *, is_text_sparse: bool) -> tuple[TextLine, ...]:
        """Every detected line, reliable or not; without text where it was not recognised.

        `is_text_sparse`: the full size is searched only if the coarse size has text.
        """
        rgb = np.asarray(image.convert("RGB"))
        bgr: BgrPixels = self._cv2.cvtColor(rgb, self._cv2.COLOR_RGB2BGR)
        if is_text_sparse and not self._detect(bgr, COARSE_PIXELS):
            return ()
        chosen, others = _choose_most_prominent(self._detect(bgr, FULL_PIXELS))
        if not chosen:
            return ()
        crops = self._engine.crop_text_regions(bgr, chosen)
        result = self._engine.recognize_txt(crops)
        size = (bgr.shape[1], bgr.shape[0])
        recognised = [
            _build_line(
                corners, _drop_cut_words(text, corners, bgr), float(score), size, _find_ink(crop)
            )
            for corners, crop, text, score in zip(
                chosen, crops, result.txts, result.scores, strict=True
            )
        ]
        return (
            *recognised,
            *(_build_line(corners, "", 0.0, size, "black") for corners in others),
        )

    def _detect(self, bgr: BgrPixels, max_pixels: int) -> list[Corners]:
        """The corners of each line, in pixels of the image."""
        height, width = bgr.shape[:2]
        scale = min(MAX_ENLARGEMENT, math.sqrt(max_pixels / (width * height)))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        interpolation = self._cv2.INTER_AREA if scale < 1 else self._cv2.INTER_CUBIC
        resized = self._cv2.resize(bgr, size, interpolation=interpolation)
        below = max(0, DETECTOR_MIN_SIDE_PX - size[1])
        right = max(0, DETECTOR_MIN_SIDE_PX - size[0])
        padded = self._cv2.copyMakeBorder(resized, 0, below, 0, right, self._cv2.BORDER_REPLICATE)
        boxes = self._engine(padded, use_det=True, use_cls=False, use_rec=False).boxes
        detected = (
            [] if boxes is None else [np.asarray(box, dtype=np.float32) / scale for box in boxes]
        )
        clipped = (box.clip((0, 0), (width, height)).astype(np.float32) for box in detected)
        return [box for box in clipped if _may_be_text(box, min(width, height))]


def ocr_job(data: BinaryIO, args: dict[str, Any], reserve: Reserve) -> tuple[dict[str, Any], bytes]:
    """The handler of the child process: JPEG bytes in, the fields of each TextBlock out."""
    reserve(JOB_MEMORY_BYTES)
    try:
        with Image.open(io.BytesIO(data.read()), formats=("JPEG", "PNG")) as opened:
            opened.draft("RGB", (LONGEST_EDGE_PX, LONGEST_EDGE_PX))
            image = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        # Refused: any other exception would end the child process, and the models would be loaded
        # again.
        raise JobRefused("unreadable", type(error).__name__) from error
    image.thumbnail((LONGEST_EDGE_PX, LONGEST_EDGE_PX))
    blocks = load_engine().read_blocks(image, is_text_sparse=bool(args.get("is_text_sparse")))
    shrink_arena()
    return {"blocks": [asdict(block) for block in blocks]}, b""


def warm_up() -> None:
    """Loads the models and reads a sample: a confined child process cannot open a file later."""
    return_freed_memory()
    sample = Image.new("RGB", (640, 640), "white")
    draw = ImageDraw.Draw(sample)
    draw.text((40, 80), "Warming up 123", fill="black", font=ImageFont.load_default(60))
    draw.text((40, 300), "A longer line, so that it is wide enough", fill="black")
    encoded = io.BytesIO()
    sample.save(encoded, "JPEG")
    encoded.seek(0)
    facts, _ = ocr_job(encoded, {"is_text_sparse": True}, lambda *_: None)
    if not facts["blocks"]:
        raise RuntimeError("OCR found no text in its own sample image")


@functools.cache
def load_engine() -> OcrEngine:
    return OcrEngine()


def return_freed_memory() -> None:
    """Makes malloc map allocations of 1 MiB and more, so that free returns them to the system.

    Otherwise the process keeps 200 MB that it needs for a second. The price is high where many
    large blocks come and go, as within a network, which therefore has an arena (onnx_session.py).
    Only the GNU C library has these parameters (malloc.h).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(mmap_threshold, 1024 * 1024)
        mallopt(trim_threshold, 1024 * 1024)


def _line_size(corners: Corners) -> tuple[float, float]:
    """Length and height in pixels. A vertical line is turned, as RapidOCR crops it."""
    across = float(np.linalg.norm(corners[1] - corners[0]))
    down = float(np.linalg.norm(corners[3] - corners[0]))
    return (down, across) if down > 1.5 * across else (across, down)


def _may_be_text(corners: Corners, short_side_px: int) -> bool:
    """A line is longer than it is high; a large shape that is not is a wheel, a sleeve or a rim."""
    length, height = _line_size(corners)
    is_long = length > 1.3 * height
    return height >= MIN_LINE_HEIGHT_PX and (is_long or height < 0.3 * short_side_px)


def _choose_most_prominent(detected: list[Corners]) -> tuple[list[Corners], list[Corners]]:
    """The lines that there is time to read, and the others.

    The tallest lines are chosen first, and of equally tall ones the upper.
    """
    sized = [(corners, *_line_size(corners)) for corners in detected]
    tallest = max((height for _, _, height in sized), default=1.0)
    # Heights within a quarter of each other count as one size.
    sized.sort(key=lambda line: (round(math.log(tallest / line[2], 1.25)), line[0][:, 1].min()))
    chosen: list[Corners] = []
    others: list[Corners] = []
    left_px = float(MAX_TOTAL_WIDTH_PX)
    for corners, length, height in sized:
        width_px = max(320.0, 48 * length / height)
        if width_px <= left_px and len(chosen) < MAX_LINES:
            chosen.append(corners)
            left_px -= width_px
        else:
            others.append(corners)
    return chosen, others


def _drop_cut_words(text: str, corners: Corners, bgr: BgrPixels) -> str:
    """The text without words that the image's edge cuts off."""
    if _is_tilted(corners):
        return text.strip()
    left, top = (max(0, int(v)) for v in corners.min(axis=0))
    right, bottom = (int(v) for v in np.ceil(corners.max(axis=0)))
    grey = bgr[top:bottom, left:right].mean(axis=2)
    words = text.split()
    if not grey.size or not words:
        return ""
    contrast = CUT_CONTRAST_SHARE * np.ptp(grey)
    if right >= bgr.shape[1] - EDGE_PX and np.ptp(grey[:, -1]) > contrast:
        words = words[:-1]
    if left <= EDGE_PX and np.ptp(grey[:, 0]) > contrast:
        words = words[1:]
    return " ".join(words)


def _find_ink(crop: BgrPixels) -> str:
    """The colour of the letters: what differs most from the border of the crop."""
    rgb: RgbPixels = crop[:: max(1, crop.shape[0] // 64), :: max(1, crop.shape[1] // 256), ::-1]
    lab = to_oklab(np.ascontiguousarray(rgb))
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    distance = oklab_distance(lab, np.median(border, axis=0))
    pure = distance >= 0.9 * np.percentile(distance, 98)
    return name_colour(np.median(lab[pure], axis=0))


def _build_line(
    corners: Corners, text: str, score: float, size: tuple[int, int], ink: str
) -> TextLine:
    width, height = size
    left, top = (float(v) for v in corners.min(axis=0))
    right, bottom = (float(v) for v in corners.max(axis=0))
    return TextLine(
        text,
        score,
        left / width,
        top / height,
        right / width,
        bottom / height,
        height_px=round(_line_size(corners)[1], 1),
        ink=ink,
        is_tilted=_is_tilted(corners),
    )


def _is_tilted(corners: Corners) -> bool:
    across, down = np.abs(corners[1] - corners[0])
    return bool(min(across, down) > 0.3 * max(across, down))
