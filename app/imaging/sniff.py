"""What an image is, told from its own bytes: a label or a file name is never believed."""

import asyncio
import binascii
import codecs
import re

import pybase64

from app.errors import CaptionError
from app.types import SourceImage


class ImageUnsupported(CaptionError):
    """Not an image, or one of a format that is not decoded."""

    code, status = "image_unsupported", 422
    title = "The image's format is not supported"
    public = (
        "This is not an image of a supported format. Use JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."
    )


class ImageCorrupt(CaptionError):
    """An image that cannot be decoded, or that costs too much to decode."""

    code, status = "image_corrupt", 422
    title = "The image cannot be decoded"
    public = "The image is damaged or cannot be decoded. Save it again and retry with the new file."


class ImageTooLarge(CaptionError):
    """Over the limit of bytes or of pixels."""

    code, status = "image_too_large", 422
    title = "The image is too large"
    public = "The image is over the server's limit of bytes or pixels. Send a smaller version."


SNIFF_BYTES = 4096
"""So many bytes of the beginning settle the format: SVG may hide behind a comment or a doctype."""

_RASTER = "Send it as JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."
_WHOLE_IMAGE = "The URL must lead to the image file itself."
_STILL = "Send a still picture of it as JPEG, PNG or WebP."

_DECODED: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
)

# The first bytes of what people do send by mistake: what to call it, and what to do.
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", _RASTER),
    (b"%!PS", "a PostScript file", _RASTER),
    (b"8BPS", "a Photoshop file (PSD)", _RASTER),
    (b"gimp xcf", "a GIMP file (XCF)", _RASTER),
    (b"\x00\x00\x02\x00\x00\x00\x00\x00", "a Targa picture (TGA)", _RASTER),
    (b"\x00\x00\x0a\x00\x00\x00\x00\x00", "a Targa picture (TGA)", _RASTER),
    (b"\x00\x00\x01\x00", "an icon (ICO)", _RASTER),
    (b"\x00\x00\x02\x00", "a cursor (CUR)", _RASTER),  # Targa's has no entries
    (b"icns", "an icon (ICNS)", _RASTER),
    (b"\xff\x0a", "JPEG XL", _RASTER),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL", _RASTER),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000", _RASTER),
    (b"\xff\x4f\xff\x51", "JPEG 2000", _RASTER),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)", _RASTER),
    (b"AT&TFORM", "a DjVu document", _RASTER),
    (b"qoif", "QOI", _RASTER),
    (b"DDS ", "a DirectDraw texture (DDS)", _RASTER),
    (b"v/1\x01", "OpenEXR", _RASTER),
    (b"#?RADIANCE", "Radiance HDR", _RASTER),
    (b"FUJIFILMCCD-RAW", "a camera raw file", _RASTER),
    (b"II\xbc\x01", "JPEG XR", _RASTER),
    (b"\x8aMNG\r\n\x1a\n", "MNG", _STILL),
    (b"\x8bJNG\r\n\x1a\n", "JNG", _RASTER),
    (b"BPG\xfb", "BPG", _RASTER),
    (b"FLIF", "FLIF", _RASTER),
    (b"#?RGBE", "Radiance HDR", _RASTER),
    (b"SIMPLE  =", "a FITS file", _RASTER),
    (b"/* XPM */", "XPM", _RASTER),
    (b"IIRO", "a camera raw file", _RASTER),
    (b"IIU\x00", "a camera raw file", _RASTER),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document", _WHOLE_IMAGE),
    (b"{\\rtf", "a text document (RTF)", _WHOLE_IMAGE),
    (b"\x1aE\xdf\xa3", "a video (WebM or Matroska)", _STILL),
    (b"FLV\x01", "a video (Flash)", _STILL),
    (b"\x00\x00\x01\xba", "a video (MPEG)", _STILL),
    (b"\x00\x00\x01\xb3", "a video (MPEG)", _STILL),
    (b"0&\xb2u\x8ef\xcf\x11", "a video (Windows Media)", _STILL),
    (b"OggS", "an Ogg video or sound file", _STILL),
    (b"ID3", "a sound file (MP3)", _WHOLE_IMAGE),
    (b"\xff\xfb", "a sound file (MP3)", _WHOLE_IMAGE),
    (b"fLaC", "a sound file (FLAC)", _WHOLE_IMAGE),
    (b"PK\x03\x04", "a ZIP archive or office document", _WHOLE_IMAGE),
    (b"Rar!\x1a", "a RAR archive", _WHOLE_IMAGE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _WHOLE_IMAGE),
    (b"\x1f\x8b", "gzip-compressed data", "Send the image itself, uncompressed."),
    (b"BZh", "bzip2-compressed data", "Send the image itself, uncompressed."),
    (b"\xfd7zXZ\x00", "xz-compressed data", "Send the image itself, uncompressed."),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data", "Send the image itself, uncompressed."),
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer", _WHOLE_IMAGE),
)

_NETPBM = re.compile(rb"P[1-7][\s#]")
# Boxes that old QuickTime files begin with, where newer ones say their brand.
_MOVIE_BOXES = frozenset({b"moov", b"mdat", b"wide", b"pnot", b"skip"})

# Sizes of the DIB header that follows a BMP's file header: "BM" alone also begins plain words.
_DIB_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_BMP_DIB_AT = 14

# Brands of ISO base media files (ISO 14496-12; AVIF, HEIF: ISO 23008-12).
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

_MARKUP = re.compile(rb"<(?:[a-z]+:)?(svg|html|!doctype\s+html)[\s>/]", re.IGNORECASE)
_PAGE_START = re.compile(
    rb"<(head|body|title|script|meta|link|div|p|h1|table|a|style)[\s>]", re.IGNORECASE
)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def sniff(head: bytes) -> str:
    """Name the format that the bytes themselves begin as.

    `head` is the beginning of the file: SNIFF_BYTES of it, or all where it is shorter.
    Answers jpeg, png, webp, gif, bmp, tiff, avif or heic.
    Raises ImageUnsupported, which says what it is instead and what to do.
    """
    if not head:
        raise ImageUnsupported("The image is empty: no bytes came. " + _WHOLE_IMAGE)
    for magic, name in _DECODED:
        if head.startswith(magic):
            if name == "tiff" and head[8:10] == b"CR":
                raise _refusal("a camera raw file (CR2)", _RASTER)
            return name
    if head[:4] == b"RIFF":
        return _sniff_riff(head)
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head[:2] == b"BM" and _int_le(head[_BMP_DIB_AT : _BMP_DIB_AT + 4]) in _DIB_SIZES:
        return "bmp"
    for magic, name, advice in _REFUSED:
        if head.startswith(magic):
            raise _refusal(name, advice)
    raise _refuse_rest(head)


def is_web_page(head: bytes) -> bool:
    """Whether the bytes begin as an HTML page."""
    text = _markup(head)
    if not text.startswith(b"<"):
        return False
    found = _MARKUP.search(text)
    if found:
        return found[1].lower() != b"svg"
    return _PAGE_START.match(text) is not None


def _sniff_riff(head: bytes) -> str:
    kind = head[8:12]
    if kind == b"WEBP":
        return "webp"
    if kind == b"WAVE":
        raise _refusal("a sound file (WAV)", _WHOLE_IMAGE)
    if kind == b"AVI ":
        raise _refusal("a video (AVI)", _STILL)
    raise _refusal("a RIFF file that is no WebP", _RASTER)


def _sniff_iso_media(head: bytes) -> str:
    major = head[8:12]
    end = min(_int_be(head[:4]), len(head))
    brands = {head[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS:
        return "avif"
    if major in _HEIC_BRANDS:
        # mif1 and msf1 are the family's common names: the compatible brands say which member.
        return "avif" if major in (b"mif1", b"msf1") and brands & _AVIF_BRANDS else "heic"
    # A reader that knows any of the brands may read the file (ISO 14496-12, 4.3). Minimised files
    # (mif3) state theirs in the place of the version.
    if brands & _AVIF_BRANDS or head[8:16] == b"mif3avif":
        return "avif"
    if brands & (_HEIC_BRANDS - {b"mif1", b"msf1"}):
        return "heic"
    if major == b"crx ":
        raise _refusal("a camera raw file (CR3)", _RASTER)
    if major in (b"M4A ", b"M4B "):
        raise _refusal("a sound file (M4A)", _WHOLE_IMAGE)
    if major == b"qt  ":
        raise _refusal("a video (QuickTime)", _STILL)
    raise _refusal("a video (MP4)", _STILL)


def _refuse_rest(head: bytes) -> ImageUnsupported:
    """Name what has no magic number of its own."""
    if head[4:8] in _MOVIE_BOXES and head[:2] in (b"\x00\x00", b"\x00\x01"):
        return _refusal("a video (QuickTime)", _STILL)
    if _NETPBM.match(head):
        return _refusal("a Netpbm picture (PPM, PGM, PBM)", _RASTER)
    return _refuse_text(head)


def _refuse_text(head: bytes) -> ImageUnsupported:
    """Name what is no known binary format: markup, JSON, plain text, or nothing known."""
    text = _markup(head)
    found = _MARKUP.search(text) if text.startswith(b"<") else None
    if found and found[1].lower() == b"svg":
        return _refusal("SVG", "Vector graphics are not drawn here. " + _RASTER)
    if is_web_page(head):
        return _refusal("an HTML page", _WHOLE_IMAGE)
    if text.startswith(b"<?xml"):
        return _refusal("an XML document", _WHOLE_IMAGE)
    if text.startswith((b"{", b"[")):
        return _refusal("JSON", _WHOLE_IMAGE)
    if _is_text(head):
        return _refusal("text", _WHOLE_IMAGE)
    return ImageUnsupported("The bytes are no image of a known format. " + _RASTER)


def _refusal(name: str, advice: str) -> ImageUnsupported:
    return ImageUnsupported(f"This is {name}, which is not supported. {advice}")


def _markup(head: bytes) -> bytes:
    """The beginning without its byte order mark and white space, UTF-16 brought to bytes."""
    for mark, codec in _UTF16.items():
        if head.startswith(mark):
            head = head.decode(codec, "replace").encode("utf-8", "replace")
    for mark in _BOMS:
        head = head.removeprefix(mark)
    return head.lstrip()


def _is_text(head: bytes) -> bool:
    # C0 controls other than tab, line feed, form feed and carriage return mean binary (WHATWG
    # MIME sniffing, section 3); so does what is no UTF-8, of which the last letter may be cut.
    if any(byte < 9 or byte == 11 or 14 <= byte < 32 for byte in head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _int_le(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _int_be(data: bytes) -> int:
    return int.from_bytes(data, "big")


_DATA_URL = re.compile(r"data:(?P<media>[^,;]*)(?P<parameters>(?:;[^,;]*)*),", re.IGNORECASE)
_HEADER_CHARS = 512
"""A media type with parameters is some dozen characters; no comma in so many means no data URL."""
_LINE_BREAKS = b"\t\r\n"
_BAD_BASE64 = (
    "The base64 of the data: URL is broken. Encode the whole file with the standard alphabet "
    "(A-Z a-z 0-9 + /), without line breaks."
)


def is_data_url(url: str) -> bool:
    """Whether the URL carries the image itself."""
    return url[:5].lower() == "data:"


def data_url_bytes(url: str) -> int:
    """At most so many bytes come out of a data: URL, told from its length alone."""
    return len(url) * 3 // 4


async def read_data_url(url: str, max_bytes: int) -> SourceImage:
    """Decode a `data:image/...;base64,...` URL (RFC 2397).

    Percent-encoding, line breaks and missing padding are forgiven. The bytes decide the format,
    not the label. Raises ImageUnsupported where it is no base64 image or one of another format,
    ImageCorrupt where the base64 is broken, ImageTooLarge over `max_bytes`.
    """
    header = _DATA_URL.match(url[:_HEADER_CHARS])
    if header is None:
        raise ImageUnsupported(
            "The data: URL must begin with data:image/...;base64, and then a comma."
        )
    media = header["media"].strip().lower()
    if not media.startswith("image/"):
        raise ImageUnsupported(
            "The data: URL does not say that it is an image. "
            "It must begin with data:image/...;base64,"
        )
    if header["parameters"].rpartition(";")[2].strip().lower() != "base64":
        if media == "image/svg+xml":
            raise _refusal("SVG", "Vector graphics are not drawn here. " + _RASTER)
        raise ImageUnsupported(
            "The data: URL must carry base64: data:image/...;base64, and the file."
        )
    data = await _decode_base64(url[header.end() :], max_bytes)
    return SourceImage(data=data, format=sniff(data[:SNIFF_BYTES]))


# What tools that escape a whole URL make of base64's own characters. A general decoder costs 100
# bytes of memory for each escape, and nothing else may stand in base64.
_ESCAPES = tuple(
    (code, character)
    for upper, character in (
        (b"%2B", b"+"), (b"%2F", b"/"), (b"%3D", b"="), (b"%0A", b""), (b"%0D", b""), (b"%20", b""),
    )
    for code in {upper, upper.lower()}
)  # fmt: skip
_NO_ESCAPE = re.compile(rb"%(?!2[BbFf0]|3[Dd]|0[AaDd])")
_ESCAPED_PIECE_BYTES = 256 * 1024


async def _decode_base64(payload: str, max_bytes: int) -> bytes:
    # Over three characters for each byte allowed (all of it percent-encoded) is too much anyway.
    if len(payload) > max_bytes * 4 + 4:
        raise too_large(max_bytes)
    try:
        encoded = payload.encode("ascii")
    except UnicodeEncodeError:
        raise ImageCorrupt(_BAD_BASE64) from None
    if b"%" in encoded:
        encoded = await _unescaped(encoded)
    encoded = encoded.translate(None, _LINE_BREAKS).strip(b" ").rstrip(b"=")
    if len(encoded) * 3 // 4 > max_bytes:
        raise too_large(max_bytes)
    try:
        return pybase64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise ImageCorrupt(_BAD_BASE64) from None


async def _unescaped(encoded: bytes) -> bytes:
    """In pieces, between others' requests: eight megabytes of escapes take a third of a second."""
    found = bytearray()
    at = 0
    while at < len(encoded):
        end = at + _ESCAPED_PIECE_BYTES
        if end < len(encoded) and (cut := encoded.rfind(b"%", end - 2, end)) >= 0:
            end = cut  # an escape is not parted
        piece = encoded[at:end]
        if _NO_ESCAPE.search(piece):
            raise ImageCorrupt(_BAD_BASE64)
        for escape, character in _ESCAPES:
            piece = piece.replace(escape, character)
        found += piece
        at = end
        await asyncio.sleep(0)
    return bytes(found)


def too_large(max_bytes: int) -> ImageTooLarge:
    """The refusal that names the limit."""
    return ImageTooLarge(
        f"The image is over this server's limit of {max_bytes:,} bytes. Send a smaller version."
    )
