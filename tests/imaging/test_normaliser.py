"""The normaliser with real child processes, and the errors that callers get."""

import asyncio
import hashlib
import io
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from app.errors import Overloaded
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.imaging.normaliser import ImageSettings, Normaliser
from app.imaging.sniff import sniff
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.types import NormalisedImage, SourceImage
from app.workers.pool import WorkerPool
from tests.imaging import image_files

MB = 1024 * 1024

# 100 megapixels of grey in 400 KB: some 200 ms of work.
SLOW = image_files.make_png((10_000, 10_000), 8, 0, bytes(10_001 * 10_000))


@asynccontextmanager
async def running_normaliser(
    size: int = 1, memory=None, **settings: object
) -> AsyncIterator[Normaliser]:
    pool = WorkerPool(
        size=size,
        handlers={"normalise": "app.imaging.normalise_handler:normalise_job"},
        memory=memory,
    )
    await pool.start()
    try:
        yield Normaliser(ImageSettings(**settings), pool)
    finally:
        await pool.aclose()


async def outcome(normaliser: Normaliser, data: bytes, image_format: str, within_s=60.0):
    """The normalised image, or the error that the caller gets. It must come in time."""
    deadline = Deadline.after(within_s)
    try:
        return await normaliser.normalise(SourceImage(data, image_format), deadline)
    except (ImageCorrupt, ImageTooLarge, ImageUnsupported) as error:
        return error
    finally:
        assert deadline.left_s() > 0


def pixels(image: NormalisedImage) -> Image.Image:
    opened = Image.open(io.BytesIO(image.jpeg))
    opened.load()
    return opened


async def test_hdr_is_tone_mapped_in_a_confined_child():
    """All tables are loaded before the child is confined; a large one has the same result."""
    chunk = image_files.png_chunk(b"cICP", bytes((9, 16, 0, 1)))
    async with running_normaliser() as normaliser:
        for side in (16, 2500):
            rows = (b"\0" + b"\x94" * 3 * side) * side
            data = image_files.make_png((side, side), 8, 2, rows, before=[chunk])
            image = await outcome(normaliser, data, "png")
            assert pixels(image).getpixel((5, 5)) == (187,) * 3


async def test_the_facts_are_those_of_the_source():
    """Upright size, bytes, format and SHA-256, and the size of what is sent."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = image_files.encode(image_files.draw_quadrants((2400, 1600)), "jpeg", exif=exif)
    async with running_normaliser() as normaliser:
        image = await normaliser.normalise(SourceImage(data, "jpeg"), Deadline.after(5))
    assert (image.source.width_px, image.source.height_px) == (1600, 2400)
    assert (image.width_px, image.height_px) == pixels(image).size == (800, 1200)
    assert image.source.sha256 == hashlib.sha256(data).hexdigest()
    assert (image.source.bytes, image.source.format) == (len(data), "jpeg")


async def test_the_longest_edge_is_a_setting():
    async with running_normaliser(longest_edge_px=300) as normaliser:
        image = await outcome(
            normaliser, image_files.encode(image_files.draw_quadrants((800, 600)), "png"), "png"
        )
    assert 225 <= max(image.width_px, image.height_px) <= 300


async def test_an_image_over_the_pixel_limit_is_refused_with_the_limit():
    """In megapixels, as in the setting."""
    async with running_normaliser(max_megapixels=0.5) as normaliser:
        error = await outcome(
            normaliser, image_files.encode(Image.new("L", (1000, 501)), "png"), "png"
        )
    assert isinstance(error, ImageTooLarge)
    assert "0.5 megapixels" in error.detail


async def test_an_image_that_takes_too_long_to_decode_costs_too_much():
    """The child is killed, and another decodes the next image."""
    async with running_normaliser(decode_timeout_s=0.05) as normaliser:
        error = await outcome(normaliser, SLOW, "png")
        assert isinstance(error, ImageCorrupt)
        assert "costs too much" in error.detail
        unhurried = Normaliser(ImageSettings(), normaliser._pool)
        data = image_files.encode(image_files.draw_quadrants(), "jpeg")
        assert isinstance(await outcome(unhurried, data, "jpeg"), NormalisedImage)


async def test_an_image_that_needs_more_memory_than_there_is_costs_too_much():
    """It is refused from its header."""
    async with running_normaliser(memory=WeightedSemaphore(10 * MB)) as normaliser:
        data = image_files.encode(Image.new("RGBA", (4000, 3000)), "tiff")
        error = await outcome(normaliser, data, "tiff")
    assert isinstance(error, ImageCorrupt)
    assert "costs too much" in error.detail


@pytest.mark.slow
async def test_large_images_wait_for_memory_and_are_all_decoded():
    """Eight of 120 MB each, with memory for one."""
    memory = WeightedSemaphore(140 * MB)
    data = image_files.encode(Image.new("RGB", (4000, 3000), "teal"), "tiff")
    async with running_normaliser(size=2, memory=memory) as normaliser:
        images = await asyncio.gather(*(outcome(normaliser, data, "tiff") for _ in range(8)))
    assert all(isinstance(image, NormalisedImage) for image in images)
    assert memory.used == 0


async def test_without_a_child_before_the_deadline_the_server_is_overloaded():
    """The caller may try again: the image is not at fault."""
    async with running_normaliser() as normaliser:
        pool = normaliser._pool
        child = await pool._acquire_child(Deadline.after(5), (), may_express=True)
        with pytest.raises(Overloaded) as caught:
            await normaliser.normalise(SourceImage(SLOW, "png"), Deadline.after(0.05))
        assert caught.value.retry_after_s
        pool._release(child)
        assert isinstance(await outcome(normaliser, SLOW, "png"), NormalisedImage)


async def test_a_format_without_a_decoder_is_unsupported():
    async with running_normaliser() as normaliser:
        assert isinstance(await outcome(normaliser, b"8BPS" + bytes(99), "psd"), ImageUnsupported)


async def test_an_intact_file_of_a_rare_kind_is_unsupported_and_says_what_to_do():
    """LERC in a TIFF, as geographers use it."""
    tiff = image_files.encode(image_files.draw_quadrants(), "tiff")
    async with running_normaliser() as normaliser:
        error = await outcome(normaliser, image_files.with_tag(tiff, 259, 34_887), "tiff")
    assert isinstance(error, ImageUnsupported)
    assert "TIFF" in error.detail
    assert "not damaged" in error.detail
    assert "34887" in error.log_reason


async def test_files_of_other_formats_are_not_decoded_under_a_supported_name():
    """An icon, a PPM, a JPEG 2000, a TGA and a PCX are corrupt under every supported name."""
    others = [
        image_files.encode(image_files.draw_quadrants(), name)
        for name in ("ico", "ppm", "jpeg2000", "tga", "pcx")
    ]
    async with running_normaliser() as normaliser:
        for data in others:
            for image_format in ("jpeg", "png", "gif", "bmp", "tiff", "webp", "avif"):
                assert isinstance(await outcome(normaliser, data, image_format), ImageCorrupt)


async def test_every_real_image_is_normalised(corpora: Path):
    """Formats, orientations, photographs, products and text."""
    folders = ("formats", "orientation", "photo", "product", "text", "decorative", "blurred")
    async with running_normaliser(size=2) as normaliser:
        for path in sorted(
            p for folder in folders for p in (corpora / "images" / folder).iterdir()
        ):
            data = path.read_bytes()
            if path.suffix == ".svg":
                with pytest.raises(ImageUnsupported):
                    sniff(data)
                continue
            image = await outcome(normaliser, data, sniff(data))
            assert isinstance(image, NormalisedImage), (path.name, image)
            small = pixels(image)
            assert small.mode == "RGB"
            assert small.size == (image.width_px, image.height_px)
            longest = max(image.source.width_px, image.source.height_px)
            assert min(900, longest) <= max(small.size) <= 1200, path.name
            assert not small.getexif()
            assert set(small.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


async def test_a_negative_number_in_a_header_costs_no_child():
    """As a reservation it once killed the child: 200 ms of work for 200 bytes."""
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "TIFF", compression="tiff_lzw")
    at = file.getvalue().index(b"\x16\x01\x03\x00\x01\x00\x00\x00")  # RowsPerStrip, one SHORT
    patch = struct.pack("<HHIi", 278, 9, 1, -(2**30))  # one SLONG
    data = file.getvalue()[:at] + patch + file.getvalue()[at + len(patch) :]
    async with running_normaliser() as normaliser:
        error = await outcome(normaliser, data, "tiff")
        assert isinstance(error, ImageCorrupt)
        assert normaliser._pool.children_lost == 0


async def test_a_png_of_150_megapixels_is_normalised_in_100_mb():
    """Read row by row: the largest size allowed, in a tenth of the memory of its pixels."""
    data = image_files.make_png((12_247, 12_247), 8, 2, bytes(12_247 * (3 * 12_247 + 1)))
    async with running_normaliser(memory=WeightedSemaphore(100 * MB)) as normaliser:
        image = await outcome(normaliser, data, "png")
    assert (image.source.width_px, image.source.height_px) == (12_247, 12_247)
    assert (image.width_px, image.height_px) == (1200, 1200)


async def test_a_jpeg_of_99_megapixels_needs_no_reservation(corpora: Path):
    """It is decoded at an eighth."""
    data = (corpora / "images/formats/9643x10328.jpg").read_bytes()
    async with running_normaliser(memory=WeightedSemaphore(MB)) as normaliser:
        image = await outcome(normaliser, data, "jpeg")
    assert (image.source.width_px, image.source.height_px) == (9643, 10328)
    assert max(image.width_px, image.height_px) <= 1200


async def test_all_orientations_of_one_photograph_look_alike(corpora: Path):
    """3, 6 and 8 against 1, except for the number that is painted in the middle."""
    folder = corpora / "images/orientation"
    async with running_normaliser() as normaliser:
        images = {
            number: pixels(
                await outcome(normaliser, (folder / f"Landscape_{number}.jpg").read_bytes(), "jpeg")
            )
            for number in (1, 3, 6, 8)
        }
    for small in images.values():
        assert small.size == images[1].size
        difference = ImageChops.difference(small, images[1]).convert("L")
        assert ImageStat.Stat(difference).mean[0] < 6


async def test_every_hostile_file_has_an_outcome_and_harms_no_other_image(corpora: Path):
    """Crashes, floods, truncations; after each, an ordinary image is decoded."""
    honest = image_files.encode(image_files.draw_quadrants(), "png")
    async with running_normaliser() as normaliser:
        for path in sorted((corpora / "images/hostile").iterdir()):
            data = path.read_bytes()
            try:
                image_format = sniff(data)
            except ImageUnsupported:
                continue
            result = await outcome(normaliser, data, image_format)
            if path.name in ("truncated.png", "BlueSquare_truncated.jpg"):
                assert isinstance(result, ImageCorrupt), path.name
            if "65536" in path.name or "bomb" in path.name or "16384" in path.name:
                assert isinstance(result, ImageTooLarge), path.name
            if "exif" in path.name:
                assert isinstance(result, NormalisedImage), path.name
            assert isinstance(await outcome(normaliser, honest, "png"), NormalisedImage)


@pytest.mark.parametrize("image_format", ["gif", "bmp", "tiff"])
@pytest.mark.slow
async def test_11_megapixels_of_palette_colours_reserve_enough_to_be_filtered(image_format):
    """They become RGB in full size first, which takes three to four times their memory."""
    source = Image.linear_gradient("L").resize((4000, 2667)).quantize(64)
    data = image_files.encode(source, image_format)
    async with running_normaliser() as normaliser:
        got = await outcome(normaliser, data, image_format)
    assert (got.width_px, got.height_px) == (1200, 800)


@pytest.mark.parametrize("longest_edge_px", [1200, 4096])
@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp", "tiff", "gif"])
@pytest.mark.slow
async def test_a_tall_page_reserves_enough_to_be_scaled_less(image_format, longest_edge_px):
    """Its pixels before it is cropped are more than those of any other image of that limit."""
    data = image_files.encode(Image.linear_gradient("L").resize((1400, 15_900)), image_format)
    async with running_normaliser(longest_edge_px=longest_edge_px) as normaliser:
        got = await outcome(normaliser, data, image_format)
        assert isinstance(got, NormalisedImage), got.log_reason
        assert normaliser._pool.children_lost == 0
    assert got.height_px >= 0.75 * longest_edge_px
    assert got.width_px > 300
