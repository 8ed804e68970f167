"""Local images: they are resized and sent, or refused with one sentence."""

import base64
import hashlib
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import altwright as sdk
import pytest
from altwright.image_input import PreparedImage, prepare_image
from altwright.request_builder import build_caption
from PIL import Image, ImageCms

from testing.images import jpeg, photograph_like
from testing.servers.altwright import Altwright
from tests.sdk.client_under_test import MakeClient


def sent(prepared: PreparedImage) -> Image.Image:
    """The image that the server receives."""
    return Image.open(io.BytesIO(data_of(prepared)))


def data_of(prepared: PreparedImage) -> bytes:
    """The bytes of the file that is sent."""
    assert prepared.image_url is None
    assert prepared.file is not None
    return prepared.file


def encoded(image: Image.Image, kind: str, **more: Any) -> bytes:
    """The image as a file in this format."""
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


@pytest.mark.parametrize("form", ["path", "bytes", "bytearray", "file", "stream", "pillow"])
@pytest.mark.slow
def test_every_form_of_image_is_captioned(
    altwright: Altwright, make_client: MakeClient, tmp_path: Path, form: str
) -> None:
    data = photograph_like((1600, 900))
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    client = make_client(base_url=altwright.url)
    with path.open("rb") as opened, Image.open(path) as image:
        picture = {
            "path": path,
            "bytes": data,
            "bytearray": bytearray(data),
            "file": opened,
            "stream": io.BytesIO(data),
            "pillow": image,
        }[form]
        caption = client.caption(picture)
    assert caption.caption
    assert (caption.image.width, caption.image.height) == (1600, 900)
    assert max(caption.image.sent_width, caption.image.sent_height) <= 1200
    if form != "pillow":
        assert caption.image.sha256 == hashlib.sha256(data).hexdigest()
        assert (caption.image.bytes, caption.image.format) == (len(data), "jpeg")
    assert caption.url is None


def test_a_small_image_is_sent_unchanged() -> None:
    data = encoded(Image.new("P", (300, 200)), "PNG")
    prepared = prepare_image(data)
    assert data_of(prepared) == data
    assert prepared.local is None


def test_a_large_image_is_resized_and_keeps_its_aspect_ratio() -> None:
    prepared = prepare_image(photograph_like((3000, 2000)))
    assert sent(prepared).size == (1200, 800)
    assert sent(prepared).format == "JPEG"
    assert prepared.local is not None
    assert (prepared.local.width, prepared.local.height) == (3000, 2000)


def test_a_tall_page_is_sent_wide_enough_to_be_read() -> None:
    """The server crops it; of a page that was scaled to 1,200 pixels nobody could read the text."""
    page = prepare_image(encoded(Image.new("L", (1080, 9000), 255), "PNG"))
    assert sent(page).size == (588, 4899)
    strip = prepare_image(encoded(Image.new("L", (200, 40_000), 255), "PNG"))
    assert sent(strip).width * sent(strip).height <= 2_880_000 + 40_000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_resized_image_is_upright(orientation: int) -> None:
    stored = Image.new("RGB", (1600, 1400), "white")
    stored.paste("red", (0, 0, 800, 700))  # the stored image's upper left corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    prepared = prepare_image(encoded(stored, "JPEG", exif=exif))
    image = sent(prepared).convert("RGB")
    width, height = image.size
    corners = {
        "tl": image.getpixel((50, 50)),
        "tr": image.getpixel((width - 50, 50)),
        "bl": image.getpixel((50, height - 50)),
        "br": image.getpixel((width - 50, height - 50)),
    }
    # Where EXIF 2.32, 4.6.4 puts row 0 and column 0 of each orientation.
    expected = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    [red] = [name for name, pixel in corners.items() if pixel[1] < 100]  # type: ignore[index]
    assert red == expected
    assert (width > height) == (orientation < 5)
    assert prepared.local is not None
    assert (prepared.local.width > prepared.local.height) == (orientation < 5)
    assert not dict(sent(prepared).getexif())


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(mode: str) -> None:
    clear = Image.new("RGBA", (1400, 700), (0, 0, 0, 0))
    image = clear.convert(mode) if mode != "P" else clear.quantize()
    prepared = prepare_image(encoded(image, "PNG"))
    assert min(sent(prepared).convert("L").tobytes()) > 250


def test_16_bit_grey_is_not_clipped_to_white() -> None:
    image = Image.new("I;16", (1400, 700), 32_768)
    grey = sent(prepare_image(encoded(image, "PNG"))).convert("L").getpixel((600, 300))
    assert isinstance(grey, int)
    assert 120 < grey < 136


def test_cmyk_is_converted_to_the_colours_that_a_browser_shows() -> None:
    image = Image.new("CMYK", (1400, 700), (255, 0, 0, 0))
    pixel = sent(prepare_image(encoded(image, "JPEG"))).convert("RGB").getpixel((600, 300))
    assert isinstance(pixel, tuple)
    assert pixel[0] < 60
    assert pixel[2] > 180


def test_a_colour_profile_is_converted_to_srgb_and_removed() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (1400, 700), (200, 30, 30))
    shown = sent(prepare_image(encoded(image, "JPEG", icc_profile=lab, comment=b"secret")))
    assert "icc_profile" not in shown.info
    assert "comment" not in shown.info
    broken = prepare_image(encoded(image, "JPEG", icc_profile=b"nonsense"))
    assert sent(broken).size == (1200, 600)


def test_a_pillow_image_is_not_modified() -> None:
    image = Image.new("RGBA", (1500, 1500), (1, 2, 3, 4))
    image.info["comment"] = "mine"
    prepare_image(image)
    assert image.size == (1500, 1500)
    assert image.mode == "RGBA"
    assert image.info == {"comment": "mine"}


def test_a_file_is_prepared_while_another_thread_imports_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the module is known and has no classes yet."""
    file = encoded(Image.new("RGB", (30, 20)), "JPEG")
    monkeypatch.setitem(sys.modules, "PIL.Image", ModuleType("PIL.Image"))
    assert prepare_image(file).file == file


def test_a_format_that_pillow_does_not_know_is_sent_unchanged(
    altwright: Altwright, make_client: MakeClient
) -> None:
    client = make_client(base_url=altwright.url)
    with pytest.raises(sdk.ImageUnsupported, match=r"(?i)svg"):
        client.caption(b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    with pytest.raises(sdk.ImageUnsupported):
        client.caption(b"this is a text")
    heic = b"\0\0\0\x18ftypheic" + bytes(2000)
    assert data_of(prepare_image(heic)) == heic


def test_a_corrupt_image_is_sent_unchanged(altwright: Altwright, make_client: MakeClient) -> None:
    with pytest.raises(sdk.ImageCorrupt):
        make_client(base_url=altwright.url).caption(jpeg((2000, 1000))[:9000])


@pytest.mark.parametrize(
    ("make_input", "words"),
    [
        (lambda folder: folder / "missing.jpg", "There is no file"),
        (lambda folder: folder, "is a directory"),
        (lambda folder: folder / "empty.jpg", "is empty"),
        (lambda folder: folder / "huge.jpg", "200.0 MiB; the limit is 64.0 MiB"),
        (lambda folder: folder / "nul\0.jpg", "cannot be read"),
        (lambda folder: b"", "is empty"),
        (lambda folder: Path("/dev/zero"), "more than 64.0 MiB; the limit is 64.0 MiB"),
    ],
)
def test_a_file_that_cannot_be_sent_raises_one_sentence(
    tmp_path: Path, make_input: Any, words: str
) -> None:
    (tmp_path / "empty.jpg").touch()
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    with pytest.raises(sdk.UnreadableImage, match=words) as told:
        prepare_image(make_input(tmp_path))
    assert str(told.value).count(".") <= 5
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mug.jpg", "pathlib.Path"),
        ("file:///etc/passwd", "not an http"),
        ("", "not an http"),
        (7, "an int"),
        (None, "a NoneType"),
        (io.StringIO("text"), "mode 'rb'"),
    ],
)
def test_a_value_that_is_not_an_image_raises_usage_error(value: Any, words: str) -> None:
    with pytest.raises(sdk.UsageError, match=words):
        prepare_image(value)


def test_a_string_is_never_read_as_a_file_name(tmp_path: Path) -> None:
    # A URL from an untrusted source must not be able to name a local file.
    path = tmp_path / "mug.jpg"
    path.write_bytes(jpeg())
    with pytest.raises(sdk.UsageError, match=r"pathlib\.Path"):
        prepare_image(str(path))


def test_without_pillow_a_large_file_is_sent_unchanged(
    altwright: Altwright, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than fits into JSON, beside the longest fields that there are."""
    data = jpeg((2000, 1000)) + bytes(9_000_000)
    monkeypatch.setitem(sys.modules, "PIL", None)
    caption = make_client(base_url=altwright.url).caption(
        data, context="ü" * 2000, metadata={str(n): "ü" * 2000 for n in range(30)}
    )
    assert caption.image.bytes == len(data)
    assert caption.metadata["7"] == "ü" * 2000


def test_what_is_sent_passes_a_proxy_that_takes_one_megabyte() -> None:
    """As nginx does. Noise is the largest that an image comes to when it is resized."""
    noise = encoded(Image.effect_noise((1000, 900), 100), "PNG")
    assert 700 * 1024 < len(noise) < 1024 * 1024
    for data in (noise, photograph_like((4000, 3000))):
        request = build_caption(
            prepare_image(data), context="ü" * 2000, keywords=["ü" * 100] * 10, style="seo"
        )
        assert request.body is not None
        assert len(request.body.data) < 1_000_000


def test_every_field_arrives_with_a_file_as_it_does_with_a_url(
    altwright: Altwright, make_client: MakeClient
) -> None:
    client = make_client(base_url=altwright.url)
    data = encoded(Image.new("RGB", (320, 240), "navy"), "PNG")
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    options: dict[str, Any] = {
        "styles": ["concise", "seo"], "locales": ["en", "de"], "max_tokens": 96, "role": "product",
        "context": 'a "quoted"\r\n--text', "visible_text": "Kachel", "keywords": ["navy", "a, b"],
        "verify": False, "metadata": {"row": "17", "ä": "ü"},
    }  # fmt: skip
    assert client.captions(data, **options) == client.captions(url, **options)
    text = "A navy square on a plain navy background."
    assert client.check(text, image=data) == client.check(text, image=url)


def test_a_closed_file_raises_unreadable_image() -> None:
    """Any other exception would end a loop over many images."""
    file = io.BytesIO(b"...")
    file.close()
    with pytest.raises(sdk.UnreadableImage, match="cannot be read"):
        prepare_image(file)
