"""The normaliser over real children: real pictures, hostile ones, and what callers are told."""

import asyncio
import contextlib
import hashlib
import io
import struct
import time
import zlib
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
from app.workers.errors import JobRefused
from app.workers.pool import WorkerPool
from app.workers.spawn import EXPRESS_MAX_WORK_MS
from tests.imaging import drawn
from tests.imaging.seen import see

MB = 1024 * 1024

# 100 megapixels of grey in 400 KB: some 200 ms of work.
SLOW = drawn.png((10_000, 10_000), 8, 0, bytes(10_001 * 10_000))


@asynccontextmanager
async def normaliser(size: int = 1, memory=None, **settings: object) -> AsyncIterator[Normaliser]:
    pool = WorkerPool(size=size, handlers={"normalise": "app.imaging.render:render"}, memory=memory)
    await pool.start()
    try:
        yield Normaliser(ImageSettings(**settings), pool)
    finally:
        await pool.aclose()


async def outcome(normalise: Normaliser, data: bytes, image_format: str, within_s=12.0):
    """What comes of it: a picture or an error, and that it came in time."""
    deadline = Deadline.after(within_s)
    try:
        return await normalise.normalise(SourceImage(data, image_format), deadline)
    except (ImageCorrupt, ImageTooLarge, ImageUnsupported) as error:
        return error
    finally:
        assert deadline.left_s() > 0


def pixels(image: NormalisedImage) -> Image.Image:
    picture = Image.open(io.BytesIO(image.jpeg))
    picture.load()
    return picture


async def test_facts_are_the_sources_own():
    """Size as seen upright, bytes, format and SHA-256; and the size of what is sent."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = drawn.encoded(drawn.quadrants((2400, 1600)), "jpeg", exif=exif)
    async with normaliser() as normalise:
        image = await normalise.normalise(SourceImage(data, "jpeg"), Deadline.after(5))
    assert (image.source.width_px, image.source.height_px) == (1600, 2400)
    assert (image.width_px, image.height_px) == pixels(image).size == (800, 1200)
    assert image.source.sha256 == hashlib.sha256(data).hexdigest()
    assert (image.source.bytes, image.source.format) == (len(data), "jpeg")


async def test_the_longest_edge_is_a_setting():
    """Smaller on request."""
    async with normaliser(longest_edge_px=300) as normalise:
        image = await outcome(normalise, drawn.encoded(drawn.quadrants((800, 600)), "png"), "png")
    assert 225 <= max(image.width_px, image.height_px) <= 300


async def test_the_pixel_limit_is_said_in_megapixels():
    """The caller is told the limit, not our arithmetic."""
    async with normaliser(max_megapixels=0.5) as normalise:
        error = await outcome(normalise, drawn.encoded(Image.new("L", (1000, 501)), "png"), "png")
    assert isinstance(error, ImageTooLarge)
    assert "0.5 megapixels" in error.detail


async def test_a_decode_that_takes_too_long_costs_too_much():
    """The child is killed, the next picture is decoded by another."""
    async with normaliser(decode_timeout_s=0.05) as normalise:
        error = await outcome(normalise, SLOW, "png")
        assert isinstance(error, ImageCorrupt)
        assert "costs too much" in error.detail
        image = await outcome(normalise, drawn.encoded(drawn.quadrants(), "jpeg"), "jpeg")
        assert isinstance(image, NormalisedImage)


async def test_more_memory_than_there_is_costs_too_much():
    """Refused from the header."""
    async with normaliser(memory=WeightedSemaphore(10 * MB)) as normalise:
        data = drawn.encoded(Image.new("RGBA", (4000, 3000)), "tiff")
        error = await outcome(normalise, data, "tiff")
    assert isinstance(error, ImageCorrupt)
    assert "costs too much" in error.detail


async def test_large_pictures_wait_for_memory_and_are_all_decoded():
    """Eight of 120 MB each where one fits; the budget is whole afterwards."""
    memory = WeightedSemaphore(140 * MB)
    data = drawn.encoded(Image.new("RGB", (4000, 3000), "teal"), "tiff")
    async with normaliser(size=2, memory=memory) as normalise:
        images = await asyncio.gather(*(outcome(normalise, data, "tiff") for _ in range(8)))
    assert all(isinstance(image, NormalisedImage) for image in images)
    assert memory.used == 0


async def test_no_child_before_the_deadline_is_overloaded():
    """A caller may try again: nothing is wrong with the picture."""
    async with normaliser() as normalise:
        first = asyncio.create_task(outcome(normalise, SLOW, "png"))
        await asyncio.sleep(0.02)
        with pytest.raises(Overloaded) as caught:
            await normalise.normalise(SourceImage(SLOW, "png"), Deadline.after(0.05))
        assert caught.value.retry_after_s
        assert isinstance(await first, NormalisedImage)


async def test_a_format_without_a_decoder_is_unsupported():
    """HEIC names what to install; anything else is simply not supported."""
    async with normaliser() as normalise:
        assert isinstance(await outcome(normalise, b"8BPS" + bytes(99), "psd"), ImageUnsupported)


async def test_other_formats_under_a_familiar_name_never_meet_their_parser():
    """An icon, a PPM, a JPEG 2000 said to be something else: corrupt."""
    others = [
        drawn.encoded(drawn.quadrants(), name) for name in ("ico", "ppm", "jpeg2000", "tga", "pcx")
    ]
    async with normaliser() as normalise:
        for data in others:
            for image_format in ("jpeg", "png", "gif", "bmp", "tiff", "webp", "avif"):
                assert isinstance(await outcome(normalise, data, image_format), ImageCorrupt)


@pytest.fixture(scope="module")
def bombs() -> dict[str, tuple[bytes, str]]:
    """Files that cost far more than they look like."""
    progressive = drawn.encoded(drawn.quadrants((1200, 1200)), "jpeg", progressive=True)
    head = struct.pack
    frame = drawn.encoded(Image.new("P", (64, 64)), "gif")
    screen = 13 + 3 * 2 ** ((frame[10] & 7) + 1)
    lzw = drawn.encoded(Image.new("L", (64, 64)), "gif")[-30:]
    short = [
        (256, 3, 1, 64),
        (257, 3, 1, 64),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, 64),
        (279, 4, 1, 4096),
    ]
    flood = [(256, 4, 1, 60_000), (257, 4, 1, 60_000), *short[2:]]
    return {
        "1,000 extra scans": (drawn.scans_repeated(progressive, 1000), "jpeg"),
        "a JPEG of 65,500 x 65,500": (
            progressive[:2]
            + b"\xff\xc0\x00\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\x00"
            + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
            + bytes(1000),
            "jpeg",
        ),
        "a PNG of 2^31 x 2^31": (drawn.png((2**31 - 1, 2**31 - 1), 8, 0, b"\0" * 999), "png"),
        "60 MB behind 64 x 64 pixels": (
            drawn.png((64, 64), 8, 0, bytes(60_000_000), level=9),
            "png",
        ),
        "40 MB of packed text": (
            drawn.png(
                (64, 64),
                8,
                0,
                bytes(65 * 64),
                before=[drawn.chunk(b"zTXt", b"a\0\0" + zeros(40_000_000))],
            ),
            "png",
        ),
        "100,000 chunks": (
            drawn.png(
                (64, 64), 8, 0, bytes(65 * 64), before=[drawn.chunk(b"tEXt", b"a\0b")] * 100_000
            ),
            "png",
        ),
        "a GIF of 10,000 frames": (frame[:-1] + frame[screen:-1] * 10_000 + b";", "gif"),
        "a GIF canvas of 65,535": (frame[:6] + head("<HH", 65535, 65535) + frame[10:], "gif"),
        "a GIF frame larger than its canvas": (
            b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0" + head("<HH", 65535, 65535) + lzw,
            "gif",
        ),
        "a WebP of 16,383 x 16,383": (
            b"RIFF\x40\0\0\0WEBPVP8L\x20\0\0\0\x2f" + head("<I", 0x3FFF | 0x3FFF << 14) + bytes(27),
            "webp",
        ),
        "a WebP canvas of 2^24": (
            b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6 + bytes(40),
            "webp",
        ),
        "a BMP of 2^31 rows": (
            b"BM" + bytes(12) + head("<IiiHHI", 40, 30000, -(2**31), 1, 24, 0) + bytes(60),
            "bmp",
        ),
        "a TIFF of 60,000 x 60,000": (drawn.tiff(flood), "tiff"),
        "a TIFF with 2^31 bits per sample entries": (
            drawn.tiff([*short[:2], (258, 3, 2**31, 8), *short[3:]]),
            "tiff",
        ),
        "a TIFF strip of 4 GB": (
            drawn.tiff([*short[:3], (259, 3, 1, 5), *short[4:-1], (279, 4, 1, 2**32 - 1)]),
            "tiff",
        ),
        "a TIFF tile of 2^30 pixels a side": (
            drawn.tiff(
                [
                    *short[:3],
                    (259, 3, 1, 5),
                    (262, 3, 1, 1),
                    (277, 3, 1, 1),
                    (322, 4, 1, 2**30),
                    (323, 4, 1, 2**30),
                    (324, 4, 1, 8),
                    (325, 4, 1, 99),
                ]
            ),
            "tiff",
        ),
        "a TIFF directory that leads to itself": (
            drawn.tiff([*short, (34665, 4, 1, 8), (330, 4, 1, 8)])[:-4]
            + head("<I", 8)
            + bytes(4096),
            "tiff",
        ),
        "a TIFF of 65,535 samples": (
            drawn.tiff([*short[:6], (277, 3, 1, 65535), *short[7:]], bytes(4096)),
            "tiff",
        ),
    }


def zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


async def test_bombs_are_answered_quickly_and_leave_the_child_well(bombs):
    """Each within two seconds, and the small picture after it is decoded."""
    honest = drawn.encoded(drawn.quadrants(), "jpeg")
    async with normaliser() as normalise:
        for name, (data, image_format) in bombs.items():
            began = time.monotonic()
            await outcome(normalise, data, image_format)
            assert time.monotonic() - began < 2, name
            assert isinstance(await outcome(normalise, honest, "jpeg"), NormalisedImage), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1,000 extra scans", ImageCorrupt),
        ("a PNG of 2^31 x 2^31", ImageTooLarge),
        ("a JPEG of 65,500 x 65,500", ImageTooLarge),
        ("a GIF canvas of 65,535", ImageTooLarge),
        ("a GIF frame larger than its canvas", ImageTooLarge),
        ("a WebP of 16,383 x 16,383", ImageTooLarge),
        ("a WebP canvas of 2^24", ImageTooLarge),
        ("a TIFF of 60,000 x 60,000", ImageTooLarge),
        ("a GIF of 10,000 frames", NormalisedImage),
        ("60 MB behind 64 x 64 pixels", NormalisedImage),
        ("100,000 chunks", NormalisedImage),
    ],
)
async def test_each_bomb_gets_the_answer_that_is_true(bombs, name, expected):
    """Too large is said of pixels; a picture that is cheap in spite of its file is decoded."""
    async with normaliser() as normalise:
        assert isinstance(await outcome(normalise, *bombs[name]), expected)


async def test_every_real_picture_is_normalised(corpora: Path):
    """Formats, orientations, photographs, products, text: RGB, small, bare."""
    folders = ("formats", "orientation", "photo", "product", "text", "decorative", "blurred")
    async with normaliser(size=2) as normalise:
        for path in sorted(
            p for folder in folders for p in (corpora / "images" / folder).iterdir()
        ):
            data = path.read_bytes()
            if path.suffix == ".svg":
                with pytest.raises(ImageUnsupported):
                    sniff(data)
                continue
            image = await outcome(normalise, data, sniff(data))
            assert isinstance(image, NormalisedImage), (path.name, image)
            picture = pixels(image)
            assert picture.mode == "RGB"
            assert picture.size == (image.width_px, image.height_px)
            longest = max(image.source.width_px, image.source.height_px)
            assert min(900, longest) <= max(picture.size) <= 1200, path.name
            assert not picture.getexif()
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


async def test_a_number_below_zero_in_a_header_costs_no_child():
    """As room to ask for it killed the child that asked: 200 ms of work for 200 bytes."""
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "TIFF", compression="tiff_lzw")
    at = file.getvalue().index(b"\x16\x01\x03\x00\x01\x00\x00\x00")  # RowsPerStrip, one SHORT
    patch = struct.pack("<HHIi", 278, 9, 1, -(2**30))  # one SLONG
    data = file.getvalue()[:at] + patch + file.getvalue()[at + len(patch) :]
    async with normaliser() as normalise:
        error = await outcome(normalise, data, "tiff")
        assert isinstance(error, ImageCorrupt)
        assert normalise._pool.children_lost == 0


async def test_150_megapixels_of_png_are_normalised_in_a_small_room():
    """Read row by row: as much as the limit allows, in a tenth of what all its pixels take."""
    data = drawn.png((12_247, 12_247), 8, 2, bytes(12_247 * (3 * 12_247 + 1)))
    async with normaliser(memory=WeightedSemaphore(100 * MB)) as normalise:
        image = await outcome(normalise, data, "png")
    assert (image.source.width_px, image.source.height_px) == (12_247, 12_247)
    assert (image.width_px, image.height_px) == (1200, 1200)


async def test_the_99_megapixel_jpeg_is_normalised_in_a_small_room(corpora: Path):
    """Decoded at an eighth: no budget is needed."""
    data = (corpora / "images/formats/9643x10328.jpg").read_bytes()
    async with normaliser(memory=WeightedSemaphore(MB)) as normalise:
        image = await outcome(normalise, data, "jpeg")
    assert (image.source.width_px, image.source.height_px) == (9643, 10328)
    assert max(image.width_px, image.height_px) <= 1200


async def test_all_orientations_of_one_photograph_look_alike(corpora: Path):
    """3, 6 and 8 against 1, but for the number that is painted in the middle."""
    folder = corpora / "images/orientation"
    async with normaliser() as normalise:
        seen = {
            number: pixels(
                await outcome(normalise, (folder / f"Landscape_{number}.jpg").read_bytes(), "jpeg")
            )
            for number in (1, 3, 6, 8)
        }
    for picture in seen.values():
        assert picture.size == seen[1].size
        apart = ImageChops.difference(picture, seen[1]).convert("L")
        assert ImageStat.Stat(apart).mean[0] < 6


async def test_every_hostile_file_gets_an_answer_and_harms_no_other(corpora: Path):
    """Crashes, floods, truncations: an error or a picture, in time; then an honest one."""
    honest = drawn.encoded(drawn.quadrants(), "png")
    async with normaliser() as normalise:
        for path in sorted((corpora / "images/hostile").iterdir()):
            data = path.read_bytes()
            try:
                image_format = sniff(data)
            except ImageUnsupported:
                continue
            answer = await outcome(normalise, data, image_format)
            if path.name in ("truncated.png", "BlueSquare_truncated.jpg"):
                assert isinstance(answer, ImageCorrupt), path.name
            if "65536" in path.name or "bomb" in path.name or "16384" in path.name:
                assert isinstance(answer, ImageTooLarge), path.name
            if "exif" in path.name:
                assert isinstance(answer, NormalisedImage), path.name
            assert isinstance(await outcome(normalise, honest, "png"), NormalisedImage)


@pytest.mark.parametrize("image_format", ["gif", "bmp", "tiff"])
async def test_11_megapixels_of_palette_colours_have_room_to_be_filtered(image_format):
    """They are made RGB in full size first: three to four times what they are decoded to."""
    picture = Image.linear_gradient("L").resize((4000, 2667)).quantize(64)
    data = drawn.encoded(picture, image_format)
    async with normaliser() as normalise:
        got = await outcome(normalise, data, image_format)
    assert (got.width_px, got.height_px) == (1200, 800)


@pytest.mark.parametrize(
    ("image_format", "data"),
    [
        ("jpeg", drawn.scans_repeated(
            drawn.encoded(Image.new("RGB", (2400, 1600)), "jpeg", progressive=True), 80)),
        ("png", drawn.png((4000, 4000), 8, 6, bytes(16_001 * 4000))),
        ("webp", drawn.encoded(Image.new("RGB", (4000, 4000)), "webp")),
        ("avif", drawn.encoded(Image.new("RGB", (1900, 1000)), "avif")),
    ],
)  # fmt: skip
async def test_small_files_with_much_work_do_not_hold_up_cheap_pictures(image_format, data):
    """Of a few kilobytes and little memory, and 0.04 to 1 s each: not for the express child."""
    assert len(data) < MB
    said = []
    with contextlib.suppress(JobRefused):
        see(data, image_format, room=lambda *room: said.append(room))
    ((_, work_ms),) = said
    assert work_ms > EXPRESS_MAX_WORK_MS


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"])
def test_ordinary_web_pictures_are_short_work(image_format):
    """A megapixel of any format."""
    said = []
    picture = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    see(drawn.encoded(picture, image_format), image_format, room=lambda *room: said.append(room))
    ((_, work_ms),) = said
    assert 0 < work_ms <= EXPRESS_MAX_WORK_MS
