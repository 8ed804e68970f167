"""Reading data: URLs."""

import asyncio
import base64
import random
from urllib.parse import quote

import pytest
from PIL import Image

from app.imaging.data_url import read_data_url
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from tests.imaging.image_files import encode

# The bytes at the end need every character of base64: the two alphabets differ.
PNG = encode(Image.new("RGB", (8, 8), "red"), "PNG") + bytes(range(256))


def make_data_url(data: bytes, media: str = "image/png") -> str:
    return f"data:{media};base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "url",
    [
        make_data_url(PNG),
        make_data_url(PNG, "image/jpeg"),
        make_data_url(PNG, "application/octet-stream"),
        make_data_url(PNG, "binary/octet-stream"),
        make_data_url(PNG, "text/html"),
        make_data_url(PNG, "image/*"),
        make_data_url(PNG, ""),
        make_data_url(PNG, "IMAGE/PNG;charset=utf-8").replace("data:", "DATA:"),
        "data:image/png;base64," + quote(base64.b64encode(PNG), safe=""),
        make_data_url(PNG).rstrip("="),
        "data:image/png;base64," + base64.urlsafe_b64encode(PNG).decode(),
        "data:;base64," + base64.urlsafe_b64encode(PNG).decode().rstrip("="),
        make_data_url(PNG)[:60] + "\r\n" + make_data_url(PNG)[60:] + "\n",
    ],
)
async def test_a_data_url_is_read_in_all_common_spellings(url: str) -> None:
    """The media type is not trusted: the bytes are PNG."""
    source = await read_data_url(url, 10_000)
    assert source.data == PNG
    assert source.format == "png"


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("data:,", ImageUnsupported, "data:image/"),
        ("data:", ImageUnsupported, "data:image/"),
        ("data:image/png;base64", ImageUnsupported, "comma"),
        ("data:image/png," + "A" * 8, ImageUnsupported, "base64"),
        ("data:image/svg+xml,<svg/>", ImageUnsupported, "SVG"),
        (make_data_url(b"<svg >", "image/svg+xml"), ImageUnsupported, "SVG"),
        (make_data_url(b"<html></html>", "text/html"), ImageUnsupported, "HTML"),
        (make_data_url(b"hello", "application/octet-stream"), ImageUnsupported, "This is text"),
        ("data:text/plain,hello", ImageUnsupported, "base64"),
        (make_data_url(b"<html></html>"), ImageUnsupported, "HTML"),
        (make_data_url(b""), ImageUnsupported, "empty"),
        ("data:image/png;base64,iVBORw0KGgo*", ImageCorrupt, "base64"),
        ("data:image/png;base64,AAAAA", ImageCorrupt, "base64"),
        ("data:image/png;base64,AA==AAAA", ImageCorrupt, "base64"),
        ("data:image/png;base64,AAAä", ImageCorrupt, "base64"),
        ("data:image/png;base64,AA AA", ImageCorrupt, "base64"),
        ("data:image/png;base64,AA-_!", ImageCorrupt, "base64"),
        (make_data_url(PNG + bytes(20_000)), ImageTooLarge, "10,000"),
        (make_data_url(PNG + bytes(9_999)), ImageTooLarge, "10,000"),
        ("data:image/png;base64," + "%41" * 99_999, ImageTooLarge, "10,000"),
    ],
)
async def test_an_invalid_data_url_is_refused_with_the_reason(
    url: str, error: type, says: str
) -> None:
    """Each with the code of its cause."""
    with pytest.raises(error) as caught:
        await read_data_url(url, 10_000)
    assert type(caught.value) is error
    assert says in caught.value.detail


async def test_a_data_url_of_exactly_the_limit_is_accepted() -> None:
    """The limit counts decoded bytes."""
    assert len((await read_data_url(make_data_url(PNG), len(PNG))).data) == len(PNG)


async def test_escapes_are_decoded_across_slices() -> None:
    """Wherever the slices end: also within and beside escapes."""
    data = PNG + bytes(range(256)) * 4_000
    plain = base64.b64encode(data).decode()
    for shift in range(3):
        escaped = "%0A" * 100_000 + "\n" * shift + plain.replace("+", "%2b").replace("/", "%2F")
        source = await read_data_url(f"data:image/png;base64,{escaped}", 2_000_000)
        assert source.data == data
    with pytest.raises(ImageCorrupt):
        await read_data_url(f"data:image/png;base64,{plain * 3}%2", 4_000_000)


@pytest.mark.parametrize("size", [196_606, 196_607, 196_608, 196_609, 600_001])
@pytest.mark.parametrize("spelling", ["plain", "escaped", "broken"])
async def test_a_large_image_is_read_in_pieces_without_a_difference(
    size: int, spelling: str
) -> None:
    """Wherever a piece ends: at the boundary of a group, before one, or within an escape."""
    data = PNG + random.Random(size).randbytes(size)
    payload = base64.b64encode(data).decode()
    if spelling == "escaped":
        payload = quote(payload, safe="")
    if spelling == "broken":
        payload = "\r\n".join(payload[at : at + 76] for at in range(0, len(payload), 76)) + "\r\n"
    for url in (f"data:;base64,{payload}", f"data:;base64, {payload} "):
        assert (await read_data_url(url, 10_000_000)).data == data


@pytest.mark.parametrize("at", [8, 262_144, 300_000])
@pytest.mark.parametrize("wrong", ["=", " ", "*", "é", "%41", "=="])
async def test_a_wrong_character_is_found_in_every_piece(at: int, wrong: str) -> None:
    payload = base64.b64encode(PNG + bytes(300_000)).decode()
    with pytest.raises(ImageCorrupt):
        await read_data_url(f"data:;base64,{payload[:at]}{wrong}{payload[at:]}", 10_000_000)


async def test_other_tasks_run_between_the_pieces_of_a_large_image() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await read_data_url(make_data_url(PNG + bytes(6_000_000)), 10_000_000)
    counting.cancel()
    assert turns >= 30
