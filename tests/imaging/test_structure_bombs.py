"""Files under 1 MiB whose structure costs far more than their pixels."""

import time

import pytest
from PIL import Image

from app.imaging.errors import ImageCorrupt
from app.types import NormalisedImage
from app.workers.errors import JobRefused
from app.workers.express import KILL_AFTER_S
from app.workers.pool import EXPRESS_MAX_INPUT_BYTES
from app.workers.spawn import BASE_MEMORY_BYTES, EXPRESS_MAX_WORK_MS
from testing.structure_bombs import structure_bombs
from tests.imaging import image_files
from tests.imaging.normalising import normalise
from tests.imaging.test_normaliser import outcome, running_normaliser

_FORMATS = {"jpg": "jpeg", "tif": "tiff"}

REFUSED = {
    "boxes.avif", "comments.jpg", "extents.avif", "exif-directory.tif", "exif-pieces.jpg",
    "gps-directory.tif", "huffman.jpg", "items.avif", "references.avif",
    "restarts-before-frame.jpg", "tags-65000.tif", "tags-9000.tif", "tags-repeated.tif",
}  # fmt: skip
"""From their structure: no encoder writes so many tags, segments, items or boxes."""

MOVED = {
    "application.gif", "comment-blocks.gif", "deltas.bmp", "exif-tags.avif", "extensions.gif",
    "extensions-empty.gif", "few-bytes.bmp", "grid.avif", "idats-damaged.png", "idats.png",
    "lines.bmp", "many-bits.tif", "noise.avif", "noise.webp", "profile-press.jpg",
    "properties.avif", "quantisation.jpg", "rows.png", "runs.bmp", "short-runs.bmp",
    "strips.small.tif", "texts-behind-a-long-one.png", "texts-behind.png", "texts.small.png",
    "tiles-packed.tif", "tiles.tif", "values-shared.tif",
}  # fmt: skip
"""To an ordinary child, because their structure or their bytes foretell the work."""

EITHER = {"profile-table.png", "rows.png"}
"""Pillow and libvips take different times."""

_DAMAGED = {"restarts.jpg", "runs.bmp", "tiles-packed.tif"}
"""Their images are incomplete."""


def _run_in_express_child(data: bytes, image_format: str) -> str:
    """What becomes of a file there: `moved`, `ok`, or the code of its refusal."""

    def reserve(memory_bytes: int, work_ms: float = 0, /) -> None:
        if memory_bytes > BASE_MEMORY_BYTES or work_ms > EXPRESS_MAX_WORK_MS:
            raise JobRefused("moved")

    try:
        normalise(data, image_format, reserve=reserve)
    except JobRefused as refusal:
        return refusal.code
    return "ok"


def _format_of(name: str) -> str:
    suffix = name.rpartition(".")[2]
    return _FORMATS.get(suffix, suffix)


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    return dict(structure_bombs())


@pytest.mark.usefixtures("decoders")
def test_structure_is_refused_or_announced_before_a_library_reads_it(bombs):
    """The others are cheap for the express child, because no decoder sees what costs much."""
    assert all(len(data) <= EXPRESS_MAX_INPUT_BYTES for data in bombs.values())
    outcomes = {name: _run_in_express_child(data, _format_of(name)) for name, data in bombs.items()}
    refused = {name for name, code in outcomes.items() if code in ("too_expensive", "corrupt")}
    assert refused - {"restarts.jpg"} == REFUSED
    moved = {name for name, code in outcomes.items() if code == "moved"}
    assert moved - EITHER == MOVED - EITHER


@pytest.mark.measures
def test_no_structure_takes_the_express_child_for_long(bombs):
    """In processor time. Before, forty took 30 to 7,500 ms."""
    normalise(image_files.encode(Image.new("RGB", (64, 64)), "jpeg"), "jpeg")
    took_s = {}
    for name, data in bombs.items():
        began_s = time.process_time()
        _run_in_express_child(data, _format_of(name))
        took_s[name] = time.process_time() - began_s
    assert {name: s for name, s in took_s.items() if s > KILL_AFTER_S / 2} == {}


async def test_every_such_file_is_answered_and_the_next_image_is_decoded(bombs):
    """Sound images are shown. No child is lost, and no job outgrows its price."""
    ordinary = image_files.encode(image_files.draw_quadrants(), "jpeg")
    async with running_normaliser(size=2) as normaliser:
        for name, data in bombs.items():
            result = await outcome(normaliser, data, _format_of(name))
            is_sound = name not in REFUSED | _DAMAGED
            assert isinstance(result, NormalisedImage if is_sound else ImageCorrupt), name
        assert isinstance(await outcome(normaliser, ordinary, "jpeg"), NormalisedImage)
        assert normaliser._pool.children_lost == 0
