"""Triage: whether an image is describable, decorative or too unclear (uncertain).

Each threshold is set between images that belong on different sides; its docstring names the nearest
ones. In doubt an image is describable: an informative image called decorative would get no text.
"""

import numpy as np
from numpy.typing import NDArray

from app.vision.features import Triage
from app.vision.filters import Plane, block_means, percentiles
from app.vision.masks import label_components
from app.vision.oklab import OklabPixels
from app.vision.reduced_image import ReducedImage

SPACER_MAX_PX = 4
"""Nothing can be recognised in an image this thin."""
DIVIDER_ASPECT_RATIO = 8
BLANK_MAX_DEVIATION = 0.04
"""OKLab distance from the median. Pale grey (#eee) on white has 0.05, JPEG noise 0.02."""
DARK_LIGHTNESS = 0.24
"""OKLab lightness of rgb(32, 32, 32), below which the eye distinguishes little on a screen."""
SMOOTH_MAX_EDGE = 0.035
"""The largest edge at 512 px. Gradients reach 0.02, heavy blur 0.028, the softest sharp photograph
seen 0.3."""
BLUR_MAX_EDGE_SHARE = 0.075
"""The sharpest edge as a share of the image's contrast: heavy blur 0.05, sharp images over 0.3."""
MOTION_MAX_RATIO = 0.3
"""The sharpest edge along the motion against across it: motion blur 0.2, sharp images from 0.6."""
GRADIENT_MAX_RESIDUE = 0.011
"""RMS distance from the nearest sum of 8 x 8 cosines: gradients under 0.008, heavy blur 0.047."""
PATTERN_MIN_CORRELATION = 0.96
"""Correlation of the image with itself, shifted by one period: dots on a page's background 0.976,
stripes and checks over 0.99; a sheet of equal icons 0.944, real facades under 0.8."""
PATTERN_MAX_PERIOD = 0.26
"""As a share of the side: a pattern repeats about four times."""
TEXTURE_MAX_BLOCK_VARIANCE = 0.02
"""Share of the variance in the means of 8 x 8 blocks: grass and brick 0.013, photographs 0.19 and
up, a star field 0.025 (excluded by its kurtosis too)."""
TEXTURE_MAX_UNEVENNESS = 0.15
"""Deviation of the contrast of 6 x 6 blocks: grass and brick 0.11, photographs 0.27 and up."""
TEXTURE_MAX_KURTOSIS = 6.0
"""Textures are uniform (3 to 4.5); stars and sparse text are over 7."""
TEXTURE_MAX_LINE_VARIANCE = 0.12
"""Share of the variance in the means of rows or columns: brick 0.11, lines of text from 0.24."""
TEXTURE_LIGHTNESS = (0.3, 0.8)
"""Range of the median lightness. Near white or near black it may be a tilted page of text."""

INK_MIN_EDGE, INK_MIN_FLAT_SHARE = 0.25, 0.2
"""Sharp strokes on a flat background are ink: text has edges over 0.3 and a third of its pixels
flat, grass sharp edges and nothing flat, brick flat stone and edges of 0.18."""


def triage(image: ReducedImage) -> tuple[Triage, str]:
    """The triage of an image and its reason in one word, which is empty if it is describable."""
    if min(image.width_px, image.height_px) <= SPACER_MAX_PX:
        return "decorative", "spacer"
    if _is_blank(image):
        return "decorative", "blank"
    if _is_divider(image):
        return "decorative", "divider"
    darkest, lightest = percentiles(image.fine[..., 0], 0.5, 99.5)
    if lightest < DARK_LIGHTNESS:
        return "uncertain", "dark"
    if _is_smooth(image, max(lightest - darkest, 0.05)):
        is_gradient = _gradient_residue(image.coarse) < GRADIENT_MAX_RESIDUE
        return ("decorative", "gradient") if is_gradient else ("uncertain", "blurred")
    if _is_pattern(image.coarse):
        return "decorative", "pattern"
    if not _has_ink(image.fine_edges) and _is_texture(image.fine):
        return "decorative", "texture"
    return "describable", ""


def _is_blank(image: ReducedImage) -> bool:
    median = np.median(image.coarse.reshape(-1, 3), axis=0)
    return float(((image.fine - median) ** 2).sum(axis=2).max()) < BLANK_MAX_DEVIATION**2


def _is_divider(image: ReducedImage) -> bool:
    """A long thin image that is constant along its long side: a rule or a fade."""
    if 1 / DIVIDER_ASPECT_RATIO < image.aspect_ratio < DIVIDER_ASPECT_RATIO:
        return False
    across, down = image.fine_gradients
    along = across if image.aspect_ratio > 1 else down
    return float(np.abs(along).max()) < BLANK_MAX_DEVIATION


def _is_smooth(image: ReducedImage, contrast: float) -> bool:
    """Without a sharp edge: a gradient, a blur or a motion blur."""
    sharp, sharpest = percentiles(image.fine_edges, 99.8, 99.99)
    if sharpest < SMOOTH_MAX_EDGE or sharp < BLUR_MAX_EDGE_SHARE * contrast:
        return True
    weaker, stronger = sorted(percentiles(np.abs(g), 99.9)[0] for g in image.fine_gradients)
    return stronger < 0.4 * contrast and weaker < MOTION_MAX_RATIO * stronger


def _gradient_residue(lab: OklabPixels) -> float:
    """RMS distance (OKLab) of the image from its lowest 8 x 8 cosine terms."""
    rows, columns = _cosine_basis(lab.shape[0]), _cosine_basis(lab.shape[1])
    low = np.einsum("ki,ijc,lj->klc", rows, lab, columns, optimize=True)
    smooth = np.einsum("ki,klc,lj->ijc", rows, low, columns, optimize=True)
    return float(np.sqrt(((lab - smooth) ** 2).sum(axis=2).mean()))


def _cosine_basis(length: int, terms: int = 8) -> NDArray[np.float64]:
    x = (np.arange(length) + 0.5) / length
    basis = np.cos(np.pi * np.arange(min(terms, length))[:, None] * x)
    unit: NDArray[np.float64] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return unit


def _is_pattern(lab: OklabPixels) -> bool:
    """The same tile at least four times (checks, stripes, dots), by autocorrelation."""
    height, width = lab.shape[:2]
    max_down = max(1, int(height * PATTERN_MAX_PERIOD))
    max_across = max(1, int(width * PATTERN_MAX_PERIOD))
    # Padded by the largest shift, against wrap-around, to multiples of 32, for a fast FFT.
    size = (-(-(height + max_down) // 32) * 32, -(-(width + max_across) // 32) * 32)
    power = np.zeros((size[0], size[1] // 2 + 1), dtype=np.float32)
    for plane in np.moveaxis(lab, 2, 0):
        spectrum = np.fft.rfft2(plane - plane.mean(), s=size)
        power += spectrum.real**2 + spectrum.imag**2
    products = np.fft.irfft2(power, s=size)[: max_down + 1]
    # Shifts by 0..max_down and -max_across..max_across, each divided by its overlap.
    shifts_across = np.arange(-max_across, max_across + 1)
    shifted = np.concatenate([products[:, -max_across:], products[:, : max_across + 1]], axis=1)
    overlap = (height - np.arange(max_down + 1))[:, None] * (width - np.abs(shifts_across))
    correlation = shifted / overlap
    correlation /= max(float(correlation[0, max_across]), 1e-9)
    # The component around shift zero is the image matching itself, not a repetition.
    labels, _ = label_components(correlation > 0.5)
    repetitions = correlation[labels != labels[0, max_across]]
    return repetitions.size > 0 and float(repetitions.max()) > PATTERN_MIN_CORRELATION


def _has_ink(edges: Plane) -> bool:
    flat_share = float((edges < 0.012).mean())
    return flat_share > INK_MIN_FLAT_SHARE and percentiles(edges, 99.8)[0] > INK_MIN_EDGE


def _is_texture(lab: OklabPixels) -> bool:
    """Uniform material without shapes or lines of text: grass, brick, noise."""
    if min(lab.shape[:2]) < 48:
        return False
    if not TEXTURE_LIGHTNESS[0] < float(np.median(lab[::2, ::2, 0])) < TEXTURE_LIGHTNESS[1]:
        return False
    total = lab.var(axis=(0, 1))
    for plane, variance in zip(np.moveaxis(lab, 2, 0), total, strict=True):
        if variance < 0.02 * total.sum():
            continue
        if block_means(plane, 8, 8).var() > TEXTURE_MAX_BLOCK_VARIANCE * variance:
            return False
        line_variance = max(plane.mean(axis=0).var(), plane.mean(axis=1).var())
        if line_variance > TEXTURE_MAX_LINE_VARIANCE * variance:
            return False
        if ((plane - plane.mean()) ** 4).mean() > TEXTURE_MAX_KURTOSIS * variance**2:
            return False
    lightness = lab[..., 0]
    block_variance = block_means(lightness**2, 6, 6) - block_means(lightness, 6, 6) ** 2
    contrast = np.sqrt(block_variance.clip(0))
    return float(contrast.std()) < TEXTURE_MAX_UNEVENNESS * max(float(contrast.mean()), 1e-6)
