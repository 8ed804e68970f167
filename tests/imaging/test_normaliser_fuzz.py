"""Damaged files of every format: always one of four outcomes, and the pool stays well.

A short, repeatable run; for a long one set FUZZ_EXAMPLES=100000.
"""

import asyncio
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.imaging.normaliser import ImageSettings, Normaliser
from app.runtime.deadline import Deadline
from app.types import NormalisedImage, SourceImage
from app.workers.pool import WorkerPool
from tests.imaging import drawn

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "800"))

EXIF = Image.Exif()
EXIF[0x0112] = 6


def seeds() -> list[tuple[str, bytes]]:
    picture = drawn.quadrants((96, 64))
    made = [
        ("jpeg", {"exif": EXIF}), ("jpeg", {"progressive": True}), ("png", {"exif": EXIF}),
        ("webp", {}), ("webp", {"lossless": True, "exif": EXIF}), ("gif", {}), ("bmp", {}),
        ("tiff", {}), ("tiff", {"compression": "tiff_lzw"}), ("tiff", {"compression": "jpeg"}),
        ("tiff", {"compression": "tiff_adobe_deflate"}), ("avif", {}),
    ]  # fmt: skip
    files = [
        (image_format, drawn.encoded(picture, image_format, **options))
        for image_format, options in made
    ]
    files.append(("jpeg", drawn.encoded(picture.convert("CMYK"), "jpeg")))
    files.append(("png", drawn.encoded(picture.quantize(16), "png", transparency=3)))
    files.append(("tiff", drawn.encoded(picture.convert("I;16"), "tiff")))
    return files


SEEDS = seeds()


@st.composite
def damaged(draw) -> tuple[str, bytes]:
    """A good file with some bytes changed, cut out, doubled, or the end missing."""
    image_format, data = draw(st.sampled_from(SEEDS))
    broken = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        # Headers decide most: half of the damage is among the first 200 bytes.
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


def test_a_damaged_file_is_a_picture_or_one_of_three_errors():
    """No other exception, no time-out, no dead child, over every format."""
    with asyncio.Runner() as runner:
        pool = WorkerPool(size=2, handlers={"normalise": "app.imaging.render:render"})
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

            answer = runner.run(go())
            if not isinstance(answer, NormalisedImage):
                assert "Died" not in answer.log_reason
                assert "Timeout" not in answer.log_reason

        try:
            attack()
            assert pool.children_lost == 0
        finally:
            runner.run(pool.aclose())
