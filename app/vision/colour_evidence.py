"""Measures which colours an image has, however little of them. Runs in a child process, as the
handler `measure_job`.

A caption is written from the main colours (features.py); it is denied by colours that are nowhere.
"""

from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np

from app.vision.analyse import analyse
from app.vision.background import find_background
from app.vision.blends import find_blends
from app.vision.colour_names import COLOUR_NAMES
from app.vision.colour_naming import ColourIndices, classify_colours
from app.vision.evidence import ColourEvidence
from app.vision.oklab import OklabPixels, to_hex_codes
from app.vision.pixel_statistics import FLAT_EDGE
from app.vision.reduced_image import ReducedImage, reduce_image
from app.workers.errors import JobRefused
from app.workers.handler import Reserve

JOB_MEMORY_BYTES = 96 * 1024 * 1024
"""Address space of one job: an analysis, and the names of the pixels at 512 px."""
FLAT_TONES, FLAT_MIN_SHARE = 6, 0.9
"""From this share of the flat pixels in this many tones on, an image is drawn in flat colours."""
FLAT_MIN_PIXELS = 0.5
"""Of all pixels: in a drawn image most pixels equal their neighbours."""
SMALL_MAX_PIXELS = 100_000
"""Of a photograph in which a jacket or a ball is a few pixels; JPEG keeps one colour of 2 by 2. The
true colours that were doubted in photographs 200 px wide were of such things."""
SUBJECT_MIN_SHARE = 0.01
"""Of the image, for a subject whose colours are measured by themselves."""


def measure(encoded: bytes) -> ColourEvidence:
    """The colours of a JPEG or PNG. Raises OSError or ValueError where it cannot be decoded."""
    features = analyse(encoded)
    image = reduce_image(encoded)
    subject = None
    if features.category in ("cutout", "shapes"):
        background = find_background(image.coarse)
        if background is not None and background.subject_core.mean() >= SUBJECT_MIN_SHARE:
            subject = _shares(classify_colours(image.coarse)[background.subject_core])
    pixels, is_flat = image.fine, _is_flat(image)
    if is_flat:
        pixels = pixels[~find_blends(image)]
    names = classify_colours(pixels)
    return ColourEvidence(
        shares=_shares(names),
        subject=subject,
        background=features.background,
        is_flat=is_flat,
        tones=_tones(pixels, names),
        is_small=image.width_px * image.height_px < SMALL_MAX_PIXELS,
    )


def measure_job(
    data: BinaryIO, _args: dict[str, Any], reserve: Reserve
) -> tuple[dict[str, Any], bytes]:
    """The handler: JPEG bytes in, the fields of ColourEvidence out."""
    reserve(JOB_MEMORY_BYTES)
    try:
        return asdict(measure(data.read())), b""
    except (OSError, ValueError, SyntaxError) as error:
        raise JobRefused("unreadable", type(error).__name__) from error


def _shares(indices: ColourIndices) -> dict[str, float]:
    counts = np.bincount(indices.ravel(), minlength=len(COLOUR_NAMES))
    total = max(1, indices.size)
    return {COLOUR_NAMES[i]: int(n) / total for i, n in enumerate(counts) if n}


def _tones(pixels: OklabPixels, names: ColourIndices) -> dict[str, str]:
    """The mean colour of the pixels with each name."""
    counts = np.bincount(names.ravel(), minlength=len(COLOUR_NAMES))
    sums = [
        np.bincount(names.ravel(), weights=pixels[..., axis].ravel(), minlength=len(COLOUR_NAMES))
        for axis in range(3)
    ]
    present = np.flatnonzero(counts)
    means = np.stack(sums, axis=-1)[present] / counts[present, None]
    return dict(zip((COLOUR_NAMES[i] for i in present), to_hex_codes(means), strict=True))


def _is_flat(image: ReducedImage) -> bool:
    flat = image.fine_edges < FLAT_EDGE
    if float(flat.mean()) < FLAT_MIN_PIXELS:
        return False
    cells = np.floor(image.fine[flat] / np.array([0.04, 0.03, 0.03], np.float32)).astype(np.int32)
    codes = ((cells[:, 0] + 16) * 64 + cells[:, 1] + 32) * 64 + cells[:, 2] + 32
    counts = np.sort(np.bincount(codes))[::-1]
    others = counts[1:]  # without the background
    return bool(others[:FLAT_TONES].sum() >= FLAT_MIN_SHARE * max(1, others.sum()))
