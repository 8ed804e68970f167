"""What models get of images that are small, narrow or tall: sizes, colours and content."""

import io
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageStat

from app.imaging import geometry
from app.imaging.normalise_handler import normalise_job
from app.workers.handler import JobInput
from tests.imaging.image_files import encode
from tests.imaging.normalising import is_close

TO_STORED = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright image is stored, by its EXIF orientation."""
SIDES = st.one_of(st.integers(1, 80), st.integers(1, 20_000))
LIMITS = st.integers(64, 4096)


def normalise_both(data, image_format, longest=1200):
    """The facts, the image of the embedded captioner, and the image for models."""
    args = {"format": image_format, "longest_edge_px": longest, "max_pixels": 150_000_000}
    facts, jpegs = normalise_job(JobInput(data), args, lambda *_: None)
    split_at = facts.get("jpeg_bytes", len(jpegs))
    image = Image.open(io.BytesIO(jpegs[:split_at]))
    for_models = Image.open(io.BytesIO(jpegs[split_at:])) if jpegs[split_at:] else image
    assert image.size == (facts["sent_width"], facts["sent_height"])
    if for_models is not image:
        assert for_models.size == (facts["model_width"], facts["model_height"])
    return facts, image.convert("RGB"), for_models.convert("RGB")


def model_size(size, longest):
    """The size for models by geometry alone, of an image of this size."""
    width, height = geometry.fit(size, geometry.choose_scaled_longest(size, longest))
    if geometry.is_tall(size, longest):
        height = min(height, longest)
    factor = geometry.choose_enlargement((width, height), longest)
    return geometry.pad_for_model((width * factor, height * factor))


def draw_page(size, first_line=40, step=140):
    """Black bars on white, like the lines of a page."""
    page = Image.new("L", size, 255)
    draw = ImageDraw.Draw(page)
    for top in range(first_line, size[1], step):
        draw.rectangle((size[0] // 10, top, size[0] // 2, top + 30), fill=0)
    return page


@given(SIDES, SIDES, LIMITS)
def test_no_model_gets_a_size_that_some_model_refuses(width, height, longest):
    """At least 32 px on each side, at most 20 to 1, and never over the limit."""
    sent = model_size((width, height), longest)
    assert min(sent) >= 32
    assert max(sent) <= 20 * min(sent)
    assert max(sent) <= longest


@given(SIDES, SIDES, LIMITS)
def test_an_image_that_every_model_takes_is_only_scaled_down(width, height, longest):
    """It keeps its ratio, and so do a panorama and a banner."""
    fitted = geometry.fit((width, height), longest)
    is_taken = min(fitted) >= 32 and max(fitted) <= 20 * min(fitted)
    if is_taken and not geometry.is_tall((width, height), longest):
        assert model_size((width, height), longest) == fitted


@given(SIDES, SIDES, LIMITS)
def test_a_tall_page_is_scaled_to_more_than_the_limit_and_to_bounded_memory(width, height, longest):
    """Never enlarged, at least as wide as before, and at most 600 px wide."""
    scaled = geometry.choose_scaled_longest((width, height), longest)
    if not geometry.is_tall((width, height), longest):
        assert scaled == longest
        return
    assert longest <= scaled <= height
    scaled_width, scaled_height = geometry.fit((width, height), scaled)
    assert scaled_width >= geometry.fit((width, height), longest)[0]
    assert scaled_width <= 600
    assert (scaled_width - 1) * scaled_height <= 2_880_000


@given(st.integers(1, 70), st.integers(1, 70))
@settings(deadline=None, max_examples=60)
def test_a_small_image_is_enlarged_or_padded_but_not_distorted(width, height):
    """Its own pixels are in the middle, enlarged by one whole factor or not at all."""
    source = Image.new("RGB", (width, height), (20, 60, 200))
    facts, image, for_models = normalise_both(encode(source, "png"), "png")
    assert image.size == (width, height)  # the embedded captioner sees the source itself
    factor = geometry.choose_enlargement((width, height), 1200)
    assert for_models.size == geometry.pad_for_model((width * factor, height * factor))
    assert all(is_close(for_models.getpixel(at), (20, 60, 200)) for at in corners(for_models))
    assert facts["is_small_source"] == (min(width, height) < 32)


def corners(image):
    """The corners and the middle."""
    right, bottom = image.width - 1, image.height - 1
    return [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), (32, 32)),  # a tracking pixel: 16 times, and padded
        ((16, 16), (208, 208)),
        ((24, 24), (216, 216)),
        ((31, 64), (217, 448)),
        ((32, 32), (32, 32)),  # taken as it is
        ((64, 10), (64, 32)),  # a line is no icon
        ((332, 27), (332, 32)),
        ((27, 332), (32, 332)),
        ((3000, 10), (1200, 60)),
        ((10, 3000), (60, 1200)),
        ((1200, 61), (1200, 61)),
        ((9000, 1080), (1200, 144)),  # a panorama is shown as a whole
        ((1080, 4320), (300, 1200)),
        ((1080, 9000), (588, 1200)),
        ((200, 2000), (200, 1200)),
    ],
)
def test_sizes_that_models_get(size, expected):
    _, _, for_models = normalise_both(encode(Image.new("RGB", size, "teal"), "png"), "png")
    assert for_models.size == expected


@pytest.mark.parametrize("ground", [(255, 255, 255), (0, 0, 0), (10, 90, 40)])
def test_a_strip_is_padded_on_its_own_ground(ground):
    """Above and below, and its content stays in the middle."""
    strip = Image.new("RGB", (332, 20), ground)
    ImageDraw.Draw(strip).ellipse((157, 1, 175, 18), fill=(200, 30, 40))
    _, image, for_models = normalise_both(encode(strip, "png"), "png")
    assert for_models.size == (332, 32)
    assert all(is_close(for_models.getpixel(at), ground) for at in corners(for_models)[:4])
    inner = for_models.crop((0, 6, 332, 26))
    assert max(ImageStat.Stat(ImageChops.difference(inner, image)).mean) < 4


def test_a_strip_without_a_ground_is_padded_in_white():
    """A gradient along the border has no colour that most of it shares."""
    strip = Image.linear_gradient("L").rotate(90).resize((400, 10)).convert("RGB")
    _, _, for_models = normalise_both(encode(strip, "png"), "png")
    assert all(is_close(for_models.getpixel(at), (255, 255, 255)) for at in corners(for_models)[:4])


def test_transparent_icons_are_padded_and_enlarged_on_white():
    icon = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    icon.paste((0, 0, 255, 255), (2, 2, 6, 6))
    _, _, for_models = normalise_both(encode(icon, "png"), "png")
    assert for_models.size == (128, 128)
    assert is_close(for_models.getpixel((1, 1)), (255, 255, 255))
    assert is_close(for_models.getpixel((64, 64)), (0, 0, 255), by=8)


def test_an_enlarged_icon_keeps_its_edges_where_they_were():
    """The blur is at most one source pixel to each side."""
    icon = Image.new("L", (16, 16), 255)
    icon.paste(0, (4, 4, 12, 12))
    _, _, for_models = normalise_both(encode(icon, "png"), "png")
    row = [for_models.convert("L").getpixel((x, 104)) for x in range(208)]
    factor = 13
    assert all(value > 235 for value in row[: 3 * factor])
    assert all(value < 20 for value in row[5 * factor : 11 * factor])
    assert row[4 * factor - 4] > 128 > row[4 * factor + 4]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_small_and_tall_images_are_upright(orientation):
    """By their EXIF orientation, and a page that is stored on its side is cropped like any."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    icon = Image.new("RGB", (24, 16), "white")
    icon.paste("blue", (0, 0, 12, 8))  # the upper left corner as stored
    facts, image, for_models = normalise_both(encode(icon, "png", exif=exif), "png")
    is_turned = orientation >= 5
    assert (facts["width"], facts["height"]) == ((16, 24) if is_turned else (24, 16))
    assert for_models.size == tuple(13 * side for side in image.size)
    blue_at = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1),
               8: (0, 1)}[orientation]  # fmt: skip
    at = tuple(round(side * (0.25 + 0.5 * there)) for side, there in zip(
        for_models.size, blue_at, strict=True))  # fmt: skip
    assert is_close(for_models.getpixel(at), (0, 0, 255), by=10)
    stored = (9000, 1080) if is_turned else (1080, 9000)
    data = encode(Image.new("L", stored, 255), "png", exif=exif)
    facts, _, page = normalise_both(data, "png")
    assert (facts["width"], facts["height"]) == (1080, 9000)
    assert page.size == (588, 1200)
    assert facts["is_small_source"]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp", "tiff", "avif"])
@pytest.mark.usefixtures("decoders")
def test_a_tall_page_that_is_stored_on_its_side_goes_out_wide_enough_to_be_read(
    image_format, orientation
):
    """As the same page that is stored upright, by every decoder."""
    page = draw_page((1080, 9000), first_line=10)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = page.transpose(TO_STORED[orientation])
    _, upright, _ = normalise_both(encode(page, image_format), image_format)
    facts, image, _ = normalise_both(encode(stored, image_format, exif=exif), image_format)
    assert (facts["width"], facts["height"]) == (1080, 9000)
    assert image.height == 1200
    assert 440 <= image.width <= 600
    difference = ImageChops.difference(upright.resize(image.size), image)
    assert max(ImageStat.Stat(difference).mean) < 6
    assert facts["is_small_source"]


def test_a_panorama_that_is_stored_upright_is_shown_as_a_whole():
    """Its EXIF orientation makes it wide."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.new("L", (1080, 9000), 255), "jpeg", exif=exif)
    facts, image, _ = normalise_both(data, "jpeg")
    assert (facts["width"], facts["height"]) == (9000, 1080)
    assert max(image.size) <= 1200
    assert image.width / image.height == pytest.approx(9000 / 1080, rel=0.02)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
@pytest.mark.usefixtures("decoders")
def test_a_tall_page_goes_out_wide_enough_to_be_read(image_format):
    """Its upper part, by every decoder: as wide as half the limit, or nearly."""
    page = draw_page((1080, 9000), first_line=10)
    facts, image, for_models = normalise_both(encode(page, image_format), image_format)
    assert (facts["width"], facts["height"]) == (1080, 9000)
    assert image.size == for_models.size
    assert 440 <= image.width <= 600
    assert image.height == 1200
    scale = image.width / 1080
    expected = page.crop((0, 0, 1080, math.ceil(1200 / scale))).resize(image.size)
    difference = ImageChops.difference(expected, image.convert("L"))
    assert ImageStat.Stat(difference).mean[0] < 4
    assert facts["is_small_source"]


def test_a_tall_page_is_cropped_where_its_content_begins():
    """A blank head is passed over, but not past the end of the page."""
    _, image, _ = normalise_both(encode(draw_page((1000, 8000), first_line=3000), "png"), "png")
    top, bottom = (
        ImageChops.invert(image.convert("L")).point(lambda v: v > 128 and 255).getbbox()[1::2]
    )
    assert image.height == 1200
    assert 12 <= top <= 20
    assert bottom > 1000
    _, image, _ = normalise_both(encode(draw_page((1000, 8000), first_line=7900), "png"), "png")
    assert image.height == 1200
    assert image.convert("L").getextrema()[0] < 30
    _, image, _ = normalise_both(encode(Image.new("L", (1000, 8000), 255), "png"), "png")
    assert (image.height, image.convert("L").getextrema()[0]) == (1200, 255)


@pytest.mark.parametrize(
    ("size", "is_small"),
    [
        ((800, 600), False),
        ((4000, 3000), False),
        ((40, 40), False),  # taken as it is
        ((468, 60), False),  # a banner in its own size
        ((2400, 500), False),
        ((4000, 1000), False),
        ((16, 16), True),
        ((332, 27), True),
        ((9000, 1080), True),  # 144 px high: an eighth of its size
        ((1080, 9000), True),
        ((3000, 10), True),
    ],
)
def test_images_of_which_little_can_be_seen_are_small_sources(size, is_small):
    facts, _, _ = normalise_both(encode(Image.new("RGB", size, "teal"), "png"), "png")
    assert facts["is_small_source"] == is_small
