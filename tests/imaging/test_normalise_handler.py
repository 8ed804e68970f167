"""The image that a model sees: upright, small, without metadata."""

import io

import pytest
from PIL import Image

from app.imaging.normalise_handler import normalise_job
from app.workers.handler import JobInput
from tests.imaging import image_files
from tests.imaging.normalising import is_close, mean_difference, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "tiff", "avif"])
def test_every_orientation_comes_out_upright(orientation, image_format):
    """In every format that has one. The stated size is the upright one."""
    image = image_files.draw_quadrants()
    transpose = STORED[orientation]
    stored = image.transpose(transpose) if transpose is not None else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {274: orientation}} if image_format == "tiff" else {"exif": exif}
    image, facts = normalise(image_files.encode(stored, image_format, **options), image_format)
    assert (facts["width"], facts["height"]) == image.size == (160, 80)
    for at in ((40, 20), (120, 20), (40, 60), (120, 60)):
        assert is_close(image.getpixel(at), image.getpixel(at), by=24)


def test_no_metadata_of_the_source_is_left():
    """No EXIF, GPS position, profile, comment or XMP."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (46.0, 3.0, 0.0)})
    data = image_files.encode(
        image_files.draw_quadrants(),
        "jpeg",
        exif=exif,
        comment=b"my comment",
        dpi=(300, 300),
        icc_profile=image_files.make_p3_profile(),
        xmp=b"<x:xmpmeta/>",
    )
    args = {"format": "jpeg", "longest_edge_px": 1200, "max_pixels": 10**8}
    _, jpeg = normalise_job(JobInput(data), args, lambda *_: None)
    for trace in (b"Exif", b"Camera", b"my comment", b"ICC_PROFILE", b"xmpmeta", b"\xff\xe1"):
        assert trace in data or trace == b"\xff\xe1"
        assert trace not in jpeg
    assert not Image.open(io.BytesIO(jpeg)).getexif()


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (899, 10),
        (1200, 800),
        (1201, 801),
        (1499, 1000),
        (1801, 700),
        (2399, 100),
        (2500, 1200),
        (3001, 2000),
        (4801, 33),
        (700, 2800),
        (9700, 40),
        (6000, 1),
        (940, 2),
    ],
)
def test_the_longer_side_is_within_its_bounds_and_the_ratio_is_kept(size, image_format):
    """At most 1,200 px, at least 900 where the source has that, and never enlarged."""
    image, facts = normalise(
        image_files.encode(Image.new("RGB", size, "teal"), image_format), image_format
    )
    assert (facts["width"], facts["height"]) == size
    longest = max(image.size)
    assert longest <= 1200
    assert longest >= min(900, max(size))
    scale = longest / max(size)
    assert all(abs(a - b * scale) <= 1.01 for a, b in zip(image.size, size, strict=True))


@pytest.mark.parametrize("size", [(1300, 900), (2600, 1300), (4000, 1000)])
@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_a_scaled_image_is_like_a_careful_reduction_of_the_source(size, image_format):
    """The mean difference is under 2 levels."""
    source = Image.effect_mandelbrot(size, (-2.2, -1.2, 1.2, 1.2), 50).convert("RGB")
    source.paste(Image.linear_gradient("L").resize((size[0] // 2, size[1])), (0, 0))
    data = image_files.encode(
        source, image_format, **({"quality": 95} if image_format == "jpeg" else {})
    )
    image, _ = normalise(data, image_format)
    reference = source.resize(image.size, Image.Resampling.LANCZOS)
    assert mean_difference(image, reference) < 2


def test_an_animation_is_shown_by_its_first_frame():
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "lime")]
    for image_format in ("gif", "webp", "png", "avif"):
        data = image_files.encode(
            frames[0], image_format, save_all=True, append_images=frames[1:], duration=100
        )
        assert is_close(normalised_colour(data, image_format), (255, 0, 0), by=10), image_format
