"""Content sniffing: the format of an image from its first bytes.

Media types and file names are not trusted.
"""

import codecs
import re

from app.imaging.errors import ImageUnsupported

SNIFF_BYTES = 4096
"""How much of the beginning is needed: the root element of SVG may follow a long comment."""

_USE_SUPPORTED_FORMAT = "Send it as JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."
_SAVE_AS_PNG = "Xcode has rewritten it; browsers do not show it. Send the original PNG."
_SEND_IMAGE_FILE = "Send the image file itself, or a URL that leads to it."
_SEND_STILL_IMAGE = "Send a still image of it as JPEG, PNG or WebP."

_SUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
)

# First bytes of files that are often sent by mistake: the name of the format, and what to do.
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", _USE_SUPPORTED_FORMAT),
    (b"%!PS", "a PostScript file", _USE_SUPPORTED_FORMAT),
    (b"8BPS", "a Photoshop file (PSD)", _USE_SUPPORTED_FORMAT),
    (b"gimp xcf", "a GIMP file (XCF)", _USE_SUPPORTED_FORMAT),
    (b"\x00\x00\x02\x00\x00\x00\x00\x00", "a Targa image (TGA)", _USE_SUPPORTED_FORMAT),
    (b"\x00\x00\x0a\x00\x00\x00\x00\x00", "a Targa image (TGA)", _USE_SUPPORTED_FORMAT),
    (b"\x00\x00\x01\x00", "an icon (ICO)", _USE_SUPPORTED_FORMAT),
    (b"\x00\x00\x02\x00", "a cursor (CUR)", _USE_SUPPORTED_FORMAT),  # Targa's has no entries
    (b"icns", "an icon (ICNS)", _USE_SUPPORTED_FORMAT),
    (b"\xff\x0a", "JPEG XL", _USE_SUPPORTED_FORMAT),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL", _USE_SUPPORTED_FORMAT),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000", _USE_SUPPORTED_FORMAT),
    (b"\xff\x4f\xff\x51", "JPEG 2000", _USE_SUPPORTED_FORMAT),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)", _USE_SUPPORTED_FORMAT),
    (b"AT&TFORM", "a DjVu document", _USE_SUPPORTED_FORMAT),
    (b"qoif", "QOI", _USE_SUPPORTED_FORMAT),
    (b"DDS ", "a DirectDraw texture (DDS)", _USE_SUPPORTED_FORMAT),
    (b"v/1\x01", "OpenEXR", _USE_SUPPORTED_FORMAT),
    (b"#?RADIANCE", "Radiance HDR", _USE_SUPPORTED_FORMAT),
    (b"FUJIFILMCCD-RAW", "a camera raw file", _USE_SUPPORTED_FORMAT),
    (b"II\xbc\x01", "JPEG XR", _USE_SUPPORTED_FORMAT),
    (b"\x8aMNG\r\n\x1a\n", "MNG", _SEND_STILL_IMAGE),
    (b"\x8bJNG\r\n\x1a\n", "JNG", _USE_SUPPORTED_FORMAT),
    (b"BPG\xfb", "BPG", _USE_SUPPORTED_FORMAT),
    (b"FLIF", "FLIF", _USE_SUPPORTED_FORMAT),
    (b"#?RGBE", "Radiance HDR", _USE_SUPPORTED_FORMAT),
    (b"SIMPLE  =", "a FITS file", _USE_SUPPORTED_FORMAT),
    (b"/* XPM */", "XPM", _USE_SUPPORTED_FORMAT),
    (b"IIRO", "a camera raw file", _USE_SUPPORTED_FORMAT),
    (b"IIU\x00", "a camera raw file", _USE_SUPPORTED_FORMAT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document", _SEND_IMAGE_FILE),
    (b"{\\rtf", "a text document (RTF)", _SEND_IMAGE_FILE),
    (b"\x1aE\xdf\xa3", "a video (WebM or Matroska)", _SEND_STILL_IMAGE),
    (b"FLV\x01", "a video (Flash)", _SEND_STILL_IMAGE),
    (b"\x00\x00\x01\xba", "a video (MPEG)", _SEND_STILL_IMAGE),
    (b"\x00\x00\x01\xb3", "a video (MPEG)", _SEND_STILL_IMAGE),
    (b"0&\xb2u\x8ef\xcf\x11", "a video (Windows Media)", _SEND_STILL_IMAGE),
    (b"OggS", "an Ogg video or sound file", _SEND_STILL_IMAGE),
    (b"ID3", "a sound file (MP3)", _SEND_IMAGE_FILE),
    (b"\xff\xfb", "a sound file (MP3)", _SEND_IMAGE_FILE),
    (b"fLaC", "a sound file (FLAC)", _SEND_IMAGE_FILE),
    (b"PK\x03\x04", "a ZIP archive or office document", _SEND_IMAGE_FILE),
    (b"Rar!\x1a", "a RAR archive", _SEND_IMAGE_FILE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _SEND_IMAGE_FILE),
    (b"\x1f\x8b", "gzip-compressed data", "Send the image itself, uncompressed."),
    (b"BZh", "bzip2-compressed data", "Send the image itself, uncompressed."),
    (b"\xfd7zXZ\x00", "xz-compressed data", "Send the image itself, uncompressed."),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data", "Send the image itself, uncompressed."),
    (b"version https://git-lfs.github.com/spec", "a Git LFS pointer", _SEND_IMAGE_FILE),
)

_NETPBM = re.compile(rb"P[1-7][\s#]")
# Boxes that begin QuickTime files without a brand.
_QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"pnot", b"skip"})

# Sizes of the DIB header that follows a BMP's file header. "BM" alone also begins words.
_DIB_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_DIB_HEADER_AT = 14

# Brands of ISO base media files (ISO 14496-12; AVIF, HEIF: ISO 23008-12).
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

_SVG_OR_HTML = re.compile(rb"<(?:[a-z]+:)?(svg|html|!doctype\s+html)[\s>/]", re.IGNORECASE)
_HTML_START = re.compile(
    rb"<(head|body|title|script|meta|link|div|p|h1|table|a|style)[\s>]", re.IGNORECASE
)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def sniff(head: bytes) -> str:
    """The format of a file: jpeg, png, webp, gif, bmp, tiff, avif or heic.

    `head` is the beginning of the file: SNIFF_BYTES of it, or the whole file where it is shorter.
    Raises ImageUnsupported, which names the format that it has instead, and says what to do.
    """
    if not head:
        raise ImageUnsupported("The image is empty: it has no bytes. " + _SEND_IMAGE_FILE)
    for magic, image_format in _SUPPORTED:
        if head.startswith(magic):
            _refuse_variant(head, image_format)
            return image_format
    if head[:4] == b"RIFF":
        return _sniff_riff(head)
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head[:2] == b"BM" and _int_le(head[_DIB_HEADER_AT : _DIB_HEADER_AT + 4]) in _DIB_SIZES:
        return "bmp"
    for magic, kind, advice in _REFUSED:
        if head.startswith(magic):
            raise ImageUnsupported.for_kind(kind, advice)
    raise _error_for_unknown(head)


def _refuse_variant(head: bytes, image_format: str) -> None:
    """Refuse formats that begin like a supported one."""
    if image_format == "tiff" and head[8:10] == b"CR":
        raise ImageUnsupported.for_kind("a camera raw file (CR2)", _USE_SUPPORTED_FORMAT)
    if image_format == "png" and head[12:16] == b"CgBI":
        raise ImageUnsupported.for_kind("an image from an iOS app (CgBI)", _SAVE_AS_PNG)


def is_html(head: bytes) -> bool:
    """Whether the bytes begin as an HTML page."""
    text = _markup(head)
    if not text.startswith(b"<"):
        return False
    found = _SVG_OR_HTML.search(text)
    if found:
        return found[1].lower() != b"svg"
    return _HTML_START.match(text) is not None


def svg_unsupported() -> ImageUnsupported:
    """The error for SVG."""
    return ImageUnsupported.for_kind(
        "SVG", "Vector graphics are not rendered here. " + _USE_SUPPORTED_FORMAT
    )


def _sniff_riff(head: bytes) -> str:
    kind = head[8:12]
    if kind == b"WEBP":
        return "webp"
    if kind == b"WAVE":
        raise ImageUnsupported.for_kind("a sound file (WAV)", _SEND_IMAGE_FILE)
    if kind == b"AVI ":
        raise ImageUnsupported.for_kind("a video (AVI)", _SEND_STILL_IMAGE)
    raise ImageUnsupported.for_kind("a RIFF file other than WebP", _USE_SUPPORTED_FORMAT)


def _sniff_iso_media(head: bytes) -> str:
    major = head[8:12]
    end = min(_int_be(head[:4]), len(head))
    brands = {head[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS:
        return "avif"
    if major in _HEIC_BRANDS:
        # mif1 and msf1 are common to AVIF and HEIC; the compatible brands tell which it is.
        return "avif" if major in (b"mif1", b"msf1") and brands & _AVIF_BRANDS else "heic"
    # A reader that supports any of the brands may read the file (ISO 14496-12, 4.3). Minimised
    # files (mif3) have the brand in the place of the version.
    if brands & _AVIF_BRANDS or head[8:16] == b"mif3avif":
        return "avif"
    if brands & (_HEIC_BRANDS - {b"mif1", b"msf1"}):
        return "heic"
    if major == b"crx ":
        raise ImageUnsupported.for_kind("a camera raw file (CR3)", _USE_SUPPORTED_FORMAT)
    if major in (b"M4A ", b"M4B "):
        raise ImageUnsupported.for_kind("a sound file (M4A)", _SEND_IMAGE_FILE)
    if major == b"qt  ":
        raise ImageUnsupported.for_kind("a video (QuickTime)", _SEND_STILL_IMAGE)
    raise ImageUnsupported.for_kind("a video (MP4)", _SEND_STILL_IMAGE)


def _error_for_unknown(head: bytes) -> ImageUnsupported:
    """The error for a file whose first bytes are on no list."""
    if head[4:8] in _QUICKTIME_BOXES and head[:2] in (b"\x00\x00", b"\x00\x01"):
        return ImageUnsupported.for_kind("a video (QuickTime)", _SEND_STILL_IMAGE)
    if _NETPBM.match(head):
        return ImageUnsupported.for_kind("a Netpbm image (PPM, PGM, PBM)", _USE_SUPPORTED_FORMAT)
    return _error_for_text(head)


def _error_for_text(head: bytes) -> ImageUnsupported:
    """The error for markup, JSON and plain text, and for everything else."""
    text = _markup(head)
    found = _SVG_OR_HTML.search(text) if text.startswith(b"<") else None
    if found and found[1].lower() == b"svg":
        return svg_unsupported()
    if is_html(head):
        return ImageUnsupported.for_kind("an HTML page", _SEND_IMAGE_FILE)
    if text.startswith(b"<?xml"):
        return ImageUnsupported.for_kind("an XML document", _SEND_IMAGE_FILE)
    if text.startswith((b"{", b"[")):
        return ImageUnsupported.for_kind("JSON", _SEND_IMAGE_FILE)
    if _is_text(head):
        return ImageUnsupported.for_kind("text", _SEND_IMAGE_FILE)
    return ImageUnsupported(
        "The bytes are not an image of a known format. " + _USE_SUPPORTED_FORMAT
    )


def _markup(head: bytes) -> bytes:
    """The beginning as UTF-8, without byte order mark and leading white space."""
    for mark, codec in _UTF16.items():
        if head.startswith(mark):
            head = head.decode(codec, "replace").encode("utf-8", "replace")
    for mark in _BOMS:
        head = head.removeprefix(mark)
    return head.lstrip()


def _is_text(head: bytes) -> bool:
    # Control characters other than tab, line feed, form feed and carriage return mean binary
    # (WHATWG MIME sniffing, section 3), and so does invalid UTF-8. The last character may be cut.
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
