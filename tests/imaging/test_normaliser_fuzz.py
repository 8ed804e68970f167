"""Damaged files of every format: always one of four outcomes, and no child is lost.

This is a short, repeatable run; set FUZZ_EXAMPLES=100000 for a long one.
"""

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.imaging.normaliser import ImageSettings, Normaliser
from app.runtime.deadline import Deadline
from app.types import NormalisedImage, SourceImage
from app.workers.pool import WorkerPool
from testing.colour_pictures import make_colour_pictures
from tests.imaging import image_files

_COLOUR_FORMATS = ("png", "bmp", "avif", "tiff", "heic")
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "800"))

EXIF = Image.Exif()
EXIF[0x0112] = 6


def seeds() -> list[tuple[str, bytes]]:
    image = image_files.draw_quadrants((96, 64))
    made = [
        ("jpeg", {"exif": EXIF}), ("jpeg", {"progressive": True}), ("png", {"exif": EXIF}),
        ("webp", {}), ("webp", {"lossless": True, "exif": EXIF}), ("gif", {}), ("bmp", {}),
        ("tiff", {}), ("tiff", {"compression": "tiff_lzw"}), ("tiff", {"compression": "jpeg"}),
        ("tiff", {"compression": "tiff_adobe_deflate"}), ("avif", {}),
    ]  # fmt: skip
    files = [
        (image_format, image_files.encode(image, image_format, **options))
        for image_format, options in made
    ]
    files.append(("jpeg", image_files.encode(image.convert("CMYK"), "jpeg")))
    files.append(("png", image_files.encode(image.quantize(16), "png", transparency=3)))
    files.append(("tiff", image_files.encode(image.convert("I;16"), "tiff")))
    charts = make_colour_pictures(_COLOUR_FORMATS)
    # Hypothesis refuses to print longer ones.
    return files + [(one.image_format, one.data) for one in charts if len(one.data) < 6_000]


SEEDS = seeds()


@st.composite
def damaged(draw) -> tuple[str, bytes]:
    """A valid file with some bytes changed, removed or doubled, or without its end."""
    image_format, data = draw(st.sampled_from(SEEDS))
    broken = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        # Half of the damage is in the first 200 bytes, because headers decide most.
        last = draw(st.sampled_from([min(200, len(broken)), len(broken)])) - 1
        at = draw(st.integers(0, max(0, last)))
        match draw(st.sampled_from(["byte", "word", "cut", "double", "end"])):
            case "byte":
                broken[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "word":
                broken[at : at + 4] = draw(
                    st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff",
                                     b"\x00\x00\x00\x01", b"\x80\0\0\0"])
                )  # fmt: skip
            case "cut":
                del broken[at : at + draw(st.integers(1, 64))]
            case "double":
                broken[at:at] = broken[at : at + draw(st.integers(1, 64))]
            case "end":
                del broken[at:]
        if not broken:
            broken = bytearray(b"\0")
    return image_format, bytes(broken)


@pytest.mark.slow
def test_a_damaged_file_is_an_image_or_one_of_three_errors():
    """No other exception, no timeout and no dead child, in any format."""
    with asyncio.Runner() as runner:
        pool = WorkerPool(
            size=2, handlers={"normalise": "app.imaging.normalise_handler:normalise_job"}
        )
        runner.run(pool.start())
        normaliser = Normaliser(ImageSettings(decode_timeout_s=5), pool)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize="FUZZ_EXAMPLES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(damaged())
        def attack(case):
            image_format, data = case

            async def go():
                source = SourceImage(data, image_format)
                try:
                    return await normaliser.normalise(source, Deadline.after(6))
                except (ImageCorrupt, ImageTooLarge, ImageUnsupported) as error:
                    return error

            result = runner.run(go())
            if not isinstance(result, NormalisedImage):
                assert "Died" not in result.log_reason
                assert "Timeout" not in result.log_reason

        try:
            attack()
            assert pool.children_lost == 0
        finally:
            runner.run(pool.aclose())
