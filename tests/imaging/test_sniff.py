"""Telling images by their bytes, and reading data: URLs."""

import base64
import io
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image, features

from app.imaging.data_url import read_data_url
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, is_web_page, sniff


def drawn(name: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, name)
    return out.getvalue()


PNG = drawn("PNG")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_what_pillow_writes_is_told_by_its_bytes(name: str) -> None:
    """The format's own writer is the witness."""
    if name in ("WEBP", "AVIF") and not features.check(name.lower()):
        pytest.skip(f"this Pillow does not write {name}")
    assert sniff(drawn(name)[:SNIFF_BYTES]) == name.lower()


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\x00\x00\x00\x00" + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"\x00" * 64


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (ftyp(b"avif", b"mif1"), "avif"),
        (ftyp(b"avis", b"msf1"), "avif"),
        (ftyp(b"mif1", b"miaf", b"avif"), "avif"),
        (ftyp(b"heic", b"mif1"), "heic"),
        (ftyp(b"mif1", b"heic"), "heic"),
        (ftyp(b"hevc"), "heic"),
        (ftyp(b"miaf", b"mif1", b"avif"), "avif"),
        (ftyp(b"iso8", b"mif1", b"heic"), "heic"),
        (b"\0\0\0\x10ftypmif3avif\0\0\0\x40mini", "avif"),
        (b"II+\x00\x08\x00\x00\x00", "tiff"),
        (b"MM\x00*\x00\x00\x00\x08", "tiff"),
        (b"\xff\xd8\xff\xdb<svg xmlns='x'>", "jpeg"),
    ],
)
def test_the_members_of_a_family_are_told_apart(head: bytes, name: str) -> None:
    """By brand and by byte order; text inside an image does not matter."""
    assert sniff(head) == name


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE svg>\n<svg >", "SVG"),
        ("\ufeff<?xml version='1.0'?><svg >".encode("utf-16-le"), "SVG"),
        (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>", "SVG"),
        (b"\n <!DOCTYPE html><html><svg >", "HTML"),
        (b"<HTML>", "HTML"),
        (b"<head ><title>x</title>", "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (b'{"error": "no"}', "JSON"),
        (b"Not found", "text"),
        (b"BMW is a car", "text"),
        ("nicht gefunden: Bäume".encode(), "text"),
        (ftyp(b"isom", b"mp42"), "video (MP4)"),
        (ftyp(b"qt  "), "video (QuickTime)"),
        (ftyp(b"crx "), "raw"),
        (b"\x1aE\xdf\xa3\x01", "video (WebM"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video (AVI)"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "WAV"),
        (b"RIFF\x00\x00\x00\x00ACONanih", "RIFF"),
        (b"\x00\x00\x00\x08wide\x00\x03\x8d\x08mdat", "video (QuickTime)"),
        (b"\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00", "TGA"),
        (b"\x00\x00\x02\x00\x01\x00\x20\x20", "CUR"),
        (b"P6\n640 480\n255\n", "Netpbm"),
        (b"P3 # made by hand\n", "Netpbm"),
        (b"Page not found", "text"),
        (b"\x8aMNG\r\n\x1a\n", "MNG"),
        (b"II\xbc\x01\x20\x00", "JPEG XR"),
        (b"BZh91AY&SY", "bzip2"),
        (b"{\\rtf1\\ansi", "RTF"),
        (b"\xff\xfb\x90\x44\x00", "MP3"),
        (b"%PDF-1.4", "PDF"),
        (b"8BPS\x00\x01", "Photoshop"),
        (b"\x00\x00\x01\x00\x01\x00", "ICO"),
        (b"\xff\x0a\xfa", "JPEG XL"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "ZIP"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "raw"),
        (b"\x01\x02\x03\x04", "no image"),
        (b"\xff\xd8", "no image"),
        (b"\x89PN", "no image"),
    ],
)
def test_what_is_no_image_is_called_by_its_name(head: bytes, says: str) -> None:
    """With what to do about it."""
    with pytest.raises(ImageUnsupported) as caught:
        sniff(head)
    assert says in caught.value.detail
    assert caught.value.detail.endswith(".")


def test_markup_inside_an_image_makes_no_page_of_it() -> None:
    """XMP is XML, and may say anything."""
    assert not is_web_page(PNG + b"<html>")
    assert is_web_page(b" <!-- x --><html>")
    assert not is_web_page(b"<svg ><html>")


def test_the_corpora_are_told_by_their_bytes(corpora: Path) -> None:
    """Each file is what its name says, or refused."""
    same = {"jpg": "jpeg", "tif": "tiff"}
    refused = set()
    for path in sorted((corpora / "images").rglob("*.*")):
        suffix = path.suffix.lstrip(".").lower()
        try:
            with path.open("rb") as file:
                assert sniff(file.read(SNIFF_BYTES)) == same.get(suffix, suffix), path
        except ImageUnsupported:
            refused.add(suffix)
    assert refused == {"svg", "ico", "psd"}


def data_url(data: bytes, media: str = "image/png") -> str:
    return f"data:{media};base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "url",
    [
        data_url(PNG),
        data_url(PNG, "image/jpeg"),
        data_url(PNG, "IMAGE/PNG;charset=utf-8").replace("data:", "DATA:"),
        "data:image/png;base64," + quote(base64.b64encode(PNG), safe=""),
        data_url(PNG).rstrip("="),
        data_url(PNG)[:60] + "\r\n" + data_url(PNG)[60:] + "\n",
    ],
)
async def test_a_data_url_is_read_in_the_spellings_that_occur(url: str) -> None:
    """The label is not believed: the bytes are PNG."""
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
        (data_url(b"<svg >", "image/svg+xml"), ImageUnsupported, "SVG"),
        (data_url(PNG, "text/html"), ImageUnsupported, "does not say"),
        (data_url(b"<html></html>"), ImageUnsupported, "HTML"),
        (data_url(b""), ImageUnsupported, "empty"),
        ("data:image/png;base64,iVBORw0KGgo*", ImageCorrupt, "base64"),
        ("data:image/png;base64,AAAAA", ImageCorrupt, "base64"),
        ("data:image/png;base64,AA==AAAA", ImageCorrupt, "base64"),
        ("data:image/png;base64,AAAä", ImageCorrupt, "base64"),
        ("data:image/png;base64,AA AA", ImageCorrupt, "base64"),
        ("data:image/png;base64,AA-_", ImageCorrupt, "base64"),
        (data_url(PNG + bytes(20_000)), ImageTooLarge, "10,000"),
        (data_url(PNG + bytes(9_999)), ImageTooLarge, "10,000"),
        ("data:image/png;base64," + "%41" * 99_999, ImageTooLarge, "10,000"),
    ],
)
async def test_a_wrong_data_url_says_what_is_wrong(url: str, error: type, says: str) -> None:
    """Each with the code that its cause has."""
    with pytest.raises(error) as caught:
        await read_data_url(url, 10_000)
    assert type(caught.value) is error
    assert says in caught.value.detail


async def test_a_data_url_of_exactly_the_limit_passes() -> None:
    """The limit counts decoded bytes."""
    assert len((await read_data_url(data_url(PNG), len(PNG))).data) == len(PNG)


async def test_escapes_of_many_pieces_are_put_together_again() -> None:
    """Wherever the pieces are cut: also where everything is an escape, or next to one."""
    data = PNG + bytes(range(256)) * 4_000
    plain = base64.b64encode(data).decode()
    for shift in range(3):
        escaped = "%0A" * 100_000 + "\n" * shift + plain.replace("+", "%2b").replace("/", "%2F")
        source = await read_data_url(f"data:image/png;base64,{escaped}", 2_000_000)
        assert source.data == data
    with pytest.raises(ImageCorrupt):
        await read_data_url(f"data:image/png;base64,{plain * 3}%2", 4_000_000)
