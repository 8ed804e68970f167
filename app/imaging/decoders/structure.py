"""Bounds and prices the structure of a file, before a library opens it.

Libraries read segments, tags and boxes in Python or look each up in a list of all, and know the
size of the image only afterwards. So the structure is counted here first. More parts than any
encoder writes are refused; many are announced as work, which leaves the express child.
"""

from app.imaging import cost_model
from app.imaging.decoders.joined_input import JoinedInput
from app.imaging.decoders.types import DecodeJob
from app.imaging.metadata.gif import TooManyBlocks, find_first_image
from app.imaging.metadata.iso_structure import ExcessiveStructure, read_iso_structure
from app.imaging.metadata.png import estimate_chunk_count
from app.imaging.metadata.tiff import read_tiff_structure
from app.workers.errors import JobRefused
from app.workers.handler import JobInput

_NEGLIGIBLE_MS = 3.0
"""Less work than this is not announced. Ordinary files have less."""

_GIF_FEW_BLOCKS = 4_000
"""Looking at so many takes 1 to 4 ms. An ordinary GIF has a dozen, one with XMP some hundred."""
_GIF_MAX_BLOCKS = 2_000_000
"""Before the first image: about a second."""


def announce_structure(job: DecodeJob) -> None:
    """Announce what reading the structure of a PNG, TIFF, AVIF or HEIC will take.

    Raises JobRefused, code `too_expensive`, where no encoder writes such a structure.
    """
    match job.image_format:
        case "png":
            chunks = estimate_chunk_count(job.view)
            _announce(job, cost_model.estimate_png_structure_ms(chunks))
        case "tiff":
            structure = read_tiff_structure(job.view)
            if excess := structure.excess():
                raise JobRefused("too_expensive", excess)
            _announce(job, cost_model.estimate_tiff_structure_ms(structure))
        case "avif" | "heic":
            try:
                iso_structure = read_iso_structure(job.view)
            except ExcessiveStructure as error:
                raise JobRefused("too_expensive", str(error)) from error
            _announce(job, cost_model.estimate_iso_structure_ms(iso_structure))


def open_gif(job: DecodeJob) -> JobInput:
    """A GIF without what stands before its first image and does not change it.

    Raises JobRefused.
    """
    try:
        start = find_first_image(job.view, _GIF_FEW_BLOCKS)
    except TooManyBlocks:
        _announce(job, cost_model.estimate_gif_structure_ms(len(job.view)))
        try:
            start = find_first_image(job.view, _GIF_MAX_BLOCKS)
        except TooManyBlocks:
            reason = f"more than {_GIF_MAX_BLOCKS} blocks before the image"
            raise JobRefused("too_expensive", reason) from None
    if start is None:
        raise JobRefused("corrupt", "no image")
    return JoinedInput(start.parts(job.view))


def _announce(job: DecodeJob, work_ms: float) -> None:
    if work_ms > _NEGLIGIBLE_MS:
        job.announce(work_ms)
