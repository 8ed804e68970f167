"""Telling formats by their first bytes."""

from pathlib import Path

import pytest
from PIL import Image, features

from app.imaging.errors import ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, is_html, sniff
from tests.imaging.image_files import encode

RED = Image.new("RGB", (8, 8), "red")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_what_pillow_writes_is_recognised(name: str) -> None:
    if name in ("WEBP", "AVIF") and not features.check(name.lower()):
        pytest.skip(f"this Pillow does not write {name}")
    assert sniff(encode(RED, name)[:SNIFF_BYTES]) == name.lower()


def make_ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\x00\x00\x00\x00" + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"\x00" * 64


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (make_ftyp(b"avif", b"mif1"), "avif"),
        (make_ftyp(b"avis", b"msf1"), "avif"),
        (make_ftyp(b"mif1", b"miaf", b"avif"), "avif"),
        (make_ftyp(b"heic", b"mif1"), "heic"),
        (make_ftyp(b"mif1", b"heic"), "heic"),
        (make_ftyp(b"hevc"), "heic"),
        (make_ftyp(b"miaf", b"mif1", b"avif"), "avif"),
        (make_ftyp(b"iso8", b"mif1", b"heic"), "heic"),
        (b"\0\0\0\x10ftypmif3avif\0\0\0\x40mini", "avif"),
        (b"II+\x00\x08\x00\x00\x00", "tiff"),
        (b"MM\x00*\x00\x00\x00\x08", "tiff"),
        (b"\xff\xd8\xff\xdb<svg xmlns='x'>", "jpeg"),
    ],
)
def test_formats_with_common_first_bytes_are_told_apart(head: bytes, name: str) -> None:
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
        (make_ftyp(b"isom", b"mp42"), "video (MP4)"),
        (make_ftyp(b"qt  "), "video (QuickTime)"),
        (make_ftyp(b"crx "), "raw"),
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
        (b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI\x50\0\x20\x06", "iOS"),
        (b"\x01\x02\x03\x04", "not an image"),
        (b"\xff\xd8", "not an image"),
        (b"\x89PN", "not an image"),
    ],
)
def test_other_files_are_refused_by_name(head: bytes, says: str) -> None:
    """With what to do about it."""
    with pytest.raises(ImageUnsupported) as caught:
        sniff(head)
    assert says in caught.value.detail
    assert caught.value.detail.endswith(".")


def test_an_image_that_contains_html_is_not_a_page() -> None:
    """XMP is XML, and may contain anything."""
    assert not is_html(encode(RED, "PNG") + b"<html>")
    assert is_html(b" <!-- x --><html>")
    assert not is_html(b"<svg ><html>")


def test_the_corpora_are_recognised_or_refused(corpora: Path) -> None:
    same = {"jpg": "jpeg", "tif": "tiff"}
    refused = set()
    for path in sorted((corpora / "images").rglob("*.*")):
        if path.suffix == ".jsonl":  # a list of the images
            continue
        suffix = path.suffix.lstrip(".").lower()
        try:
            with path.open("rb") as file:
                assert sniff(file.read(SNIFF_BYTES)) == same.get(suffix, suffix), path
        except ImageUnsupported:
            refused.add(suffix)
    assert refused == {"svg", "ico", "psd"}
