"""Whether a picture says anything at all: decorative, beyond use, or worth describing.

Every threshold was set between pictures that had to fall on different sides; the nearest real
neighbours stand beside it. Where the two mistakes differ in weight, the rule leans towards
describing: an informative picture called decorative vanishes from the page.
"""

import numpy as np
from numpy.typing import NDArray

from app.vision.colours import Pixels
from app.vision.features import Triage
from app.vision.regions import label
from app.vision.thumbnails import Plane, View, block_means, percentiles

SPACER_PX = 4
"""Nothing can be read or recognised in so few rows."""
DIVIDER_ASPECT = 8
BLANK_DEVIATION = 0.04
"""OKLab distance from the median; pale grey (#eee) on white is 0.05, JPEG's own noise 0.02."""
DARK = 0.24
"""OKLab lightness of rgb(32, 32, 32): the eye tells little apart below it on a screen."""
SMOOTH_EDGE = 0.035
"""Largest step between neighbours at 512 px. Gradients reach 0.02, a heavy blur 0.028,
the softest sharp photograph seen 0.3."""
BLURRED_SHARE = 0.075
"""Sharpest step as a share of the picture's contrast: heavy blur 0.05, sharp pictures over 0.3."""
MOTION_RATIO = 0.3
"""Sharpest step along the motion against across it: motion blur 0.2, sharp pictures 0.6 and up."""
GRADIENT_RESIDUE = 0.011
"""RMS distance from the nearest sum of 8 x 8 cosines: gradients under 0.008, heavy blur 0.047."""
PATTERN_MATCH = 0.96
"""Correlation of the picture with itself, shifted by one period: dots on a page's ground 0.976,
stripes and checks over 0.99; a sheet of like icons 0.944, real facades under 0.8."""
PATTERN_PERIOD = 0.26
"""Largest period, as a share of the side: it must repeat about four times."""
TEXTURE_BLOCKS = 0.02
"""Share of the variance that 8 x 8 block means keep: grass and brick 0.013, photographs 0.19 and
up, a star field 0.025 (which its peaks, TEXTURE_PEAKS, tell apart as well)."""
TEXTURE_UNEVEN = 0.15
"""How unequal the contrast of 6 x 6 blocks is: grass and brick 0.11, photographs 0.27 and up."""
TEXTURE_PEAKS = 6.0
"""Kurtosis: texture is made of the same all over (3 to 4.5), stars and sparse text are over 7."""
TEXTURE_LINES = 0.12
"""Share of the variance in the means of rows or of columns: brick 0.11, lines of text from 0.24."""
TEXTURE_LIGHTNESS = (0.3, 0.8)
"""Median lightness of a texture: near white or near black it may be a tilted page of text."""

INKED_EDGE, INKED_FLAT = 0.25, 0.2
"""Sharp strokes on a flat ground are ink, not texture: text has edges over 0.3 and a third of its
pixels flat, grass sharp edges and nothing flat, brick flat stone and edges of 0.18."""


def triage(view: View) -> tuple[Triage, str]:
    """The verdict and what was seen, in one word (empty for a picture worth describing)."""
    if min(view.width_px, view.height_px) <= SPACER_PX:
        return "decorative", "spacer"
    if _is_blank(view):
        return "decorative", "blank"
    if _is_divider(view):
        return "decorative", "divider"
    lightness = view.fine[..., 0]
    darkest, lightest = percentiles(lightness, 0.5, 99.5)
    if lightest < DARK:
        return "uncertain", "dark"
    if _is_smooth(view, max(lightest - darkest, 0.05)):
        is_gradient = _residue(view.lab) < GRADIENT_RESIDUE
        return ("decorative", "gradient") if is_gradient else ("uncertain", "blurred")
    if _is_pattern(view.lab):
        return "decorative", "pattern"
    if not _is_inked(view.edges) and _is_texture(view.fine):
        return "decorative", "texture"
    return "picture", ""


def _is_blank(view: View) -> bool:
    middle = np.median(view.lab.reshape(-1, 3), axis=0)
    return float(((view.fine - middle) ** 2).sum(axis=2).max()) < BLANK_DEVIATION**2


def _is_divider(view: View) -> bool:
    """A rule or a fade: nothing changes along the long side."""
    if 1 / DIVIDER_ASPECT < view.aspect < DIVIDER_ASPECT:
        return False
    across, down = view.steps
    along = across if view.aspect > 1 else down
    return float(np.abs(along).max()) < BLANK_DEVIATION


def _is_smooth(view: View, contrast: float) -> bool:
    """Without a sharp edge anywhere: a gradient, or a blur, also that of a moving camera."""
    sharp, sharpest = percentiles(view.edges, 99.8, 99.99)
    if sharpest < SMOOTH_EDGE or sharp < BLURRED_SHARE * contrast:
        return True
    across, down = (percentiles(np.abs(step), 99.9)[0] for step in view.steps)
    return max(across, down) < 0.4 * contrast and min(across, down) < MOTION_RATIO * max(
        across, down
    )


def _residue(lab: Pixels) -> float:
    """RMS distance (OKLab) of the picture from its own lowest 8 x 8 cosine terms."""
    rows, columns = _cosines(lab.shape[0]), _cosines(lab.shape[1])
    low = np.einsum("ki,ijc,lj->klc", rows, lab, columns, optimize=True)
    smooth = np.einsum("ki,klc,lj->ijc", rows, low, columns, optimize=True)
    return float(np.sqrt(((lab - smooth) ** 2).sum(axis=2).mean()))


def _cosines(length: int, terms: int = 8) -> NDArray[np.float64]:
    x = (np.arange(length) + 0.5) / length
    basis = np.cos(np.pi * np.arange(min(terms, length))[:, None] * x)
    unit: NDArray[np.float64] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return unit


def _is_pattern(lab: Pixels) -> bool:
    """The same tile at least four times: checks, stripes, dots."""
    height, width = lab.shape[:2]
    deep, far = max(1, int(height * PATTERN_PERIOD)), max(1, int(width * PATTERN_PERIOD))
    # Empty space as wide as the widest shift: nothing comes round. Sizes that are quickly halved.
    size = (-(-(height + deep) // 32) * 32, -(-(width + far) // 32) * 32)
    power = np.zeros((size[0], size[1] // 2 + 1), dtype=np.float32)
    for plane in np.moveaxis(lab, 2, 0):
        waves = np.fft.rfft2(plane - plane.mean(), s=size)
        power += waves.real**2 + waves.imag**2
    match = np.fft.irfft2(power, s=size)
    # Shifts down by 0..deep and sideways by -far..far, each scaled by its overlap.
    window = np.concatenate([match[: deep + 1, -far:], match[: deep + 1, : far + 1]], axis=1)
    overlap = (height - np.arange(deep + 1))[:, None] * (width - np.abs(np.arange(-far, far + 1)))
    scaled = window / overlap
    scaled /= max(float(scaled[0, far]), 1e-9)
    # Whatever hangs together with shift zero above 0.5 is the picture still lying on itself.
    labels, _ = label(scaled > 0.5)
    apart = scaled[labels != labels[0, far]]
    return apart.size > 0 and float(apart.max()) > PATTERN_MATCH


def _is_inked(edges: Plane) -> bool:
    flat = float((edges < 0.012).mean())
    return flat > INKED_FLAT and percentiles(edges, 99.8)[0] > INKED_EDGE


def _is_texture(lab: Pixels) -> bool:
    """The same stuff everywhere, with neither shapes nor lines of text: grass, brick, noise."""
    if min(lab.shape[:2]) < 48:
        return False
    if not TEXTURE_LIGHTNESS[0] < float(np.median(lab[::2, ::2, 0])) < TEXTURE_LIGHTNESS[1]:
        return False
    total = lab.var(axis=(0, 1))
    for plane, variance in zip(np.moveaxis(lab, 2, 0), total, strict=True):
        if variance < 0.02 * total.sum():
            continue
        if block_means(plane, 8, 8).var() > TEXTURE_BLOCKS * variance:
            return False
        lines = max(plane.mean(axis=0).var(), plane.mean(axis=1).var())
        if lines > TEXTURE_LINES * variance:
            return False
        if ((plane - plane.mean()) ** 4).mean() > TEXTURE_PEAKS * variance**2:
            return False
    lightness = lab[..., 0]
    spread = block_means(lightness**2, 6, 6) - block_means(lightness, 6, 6) ** 2
    contrast = np.sqrt(spread.clip(0))
    return float(contrast.std()) < TEXTURE_UNEVEN * max(float(contrast.mean()), 1e-6)
