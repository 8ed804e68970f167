"""What an image is, told from its own bytes: a label or a file name is never believed."""

import codecs
import re

from app.imaging.errors import ImageUnsupported

SNIFF_BYTES = 4096
"""So many bytes of the beginning settle the format: SVG may hide behind a comment or a doctype."""

SEND_AS = "Send it as JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."
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
    (b"%PDF-", "a PDF document", SEND_AS),
    (b"%!PS", "a PostScript file", SEND_AS),
    (b"8BPS", "a Photoshop file (PSD)", SEND_AS),
    (b"gimp xcf", "a GIMP file (XCF)", SEND_AS),
    (b"\x00\x00\x02\x00\x00\x00\x00\x00", "a Targa picture (TGA)", SEND_AS),
    (b"\x00\x00\x0a\x00\x00\x00\x00\x00", "a Targa picture (TGA)", SEND_AS),
    (b"\x00\x00\x01\x00", "an icon (ICO)", SEND_AS),
    (b"\x00\x00\x02\x00", "a cursor (CUR)", SEND_AS),  # Targa's has no entries
    (b"icns", "an icon (ICNS)", SEND_AS),
    (b"\xff\x0a", "JPEG XL", SEND_AS),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL", SEND_AS),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000", SEND_AS),
    (b"\xff\x4f\xff\x51", "JPEG 2000", SEND_AS),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)", SEND_AS),
    (b"AT&TFORM", "a DjVu document", SEND_AS),
    (b"qoif", "QOI", SEND_AS),
    (b"DDS ", "a DirectDraw texture (DDS)", SEND_AS),
    (b"v/1\x01", "OpenEXR", SEND_AS),
    (b"#?RADIANCE", "Radiance HDR", SEND_AS),
    (b"FUJIFILMCCD-RAW", "a camera raw file", SEND_AS),
    (b"II\xbc\x01", "JPEG XR", SEND_AS),
    (b"\x8aMNG\r\n\x1a\n", "MNG", _STILL),
    (b"\x8bJNG\r\n\x1a\n", "JNG", SEND_AS),
    (b"BPG\xfb", "BPG", SEND_AS),
    (b"FLIF", "FLIF", SEND_AS),
    (b"#?RGBE", "Radiance HDR", SEND_AS),
    (b"SIMPLE  =", "a FITS file", SEND_AS),
    (b"/* XPM */", "XPM", SEND_AS),
    (b"IIRO", "a camera raw file", SEND_AS),
    (b"IIU\x00", "a camera raw file", SEND_AS),
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
                raise unsupported("a camera raw file (CR2)", SEND_AS)
            return name
    if head[:4] == b"RIFF":
        return _sniff_riff(head)
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head[:2] == b"BM" and _int_le(head[_BMP_DIB_AT : _BMP_DIB_AT + 4]) in _DIB_SIZES:
        return "bmp"
    for magic, name, advice in _REFUSED:
        if head.startswith(magic):
            raise unsupported(name, advice)
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
        raise unsupported("a sound file (WAV)", _WHOLE_IMAGE)
    if kind == b"AVI ":
        raise unsupported("a video (AVI)", _STILL)
    raise unsupported("a RIFF file that is no WebP", SEND_AS)


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
        raise unsupported("a camera raw file (CR3)", SEND_AS)
    if major in (b"M4A ", b"M4B "):
        raise unsupported("a sound file (M4A)", _WHOLE_IMAGE)
    if major == b"qt  ":
        raise unsupported("a video (QuickTime)", _STILL)
    raise unsupported("a video (MP4)", _STILL)


def _refuse_rest(head: bytes) -> ImageUnsupported:
    """Name what has no magic number of its own."""
    if head[4:8] in _MOVIE_BOXES and head[:2] in (b"\x00\x00", b"\x00\x01"):
        return unsupported("a video (QuickTime)", _STILL)
    if _NETPBM.match(head):
        return unsupported("a Netpbm picture (PPM, PGM, PBM)", SEND_AS)
    return _refuse_text(head)


def _refuse_text(head: bytes) -> ImageUnsupported:
    """Name what is no known binary format: markup, JSON, plain text, or nothing known."""
    text = _markup(head)
    found = _MARKUP.search(text) if text.startswith(b"<") else None
    if found and found[1].lower() == b"svg":
        return unsupported("SVG", "Vector graphics are not drawn here. " + SEND_AS)
    if is_web_page(head):
        return unsupported("an HTML page", _WHOLE_IMAGE)
    if text.startswith(b"<?xml"):
        return unsupported("an XML document", _WHOLE_IMAGE)
    if text.startswith((b"{", b"[")):
        return unsupported("JSON", _WHOLE_IMAGE)
    if _is_text(head):
        return unsupported("text", _WHOLE_IMAGE)
    return ImageUnsupported("The bytes are no image of a known format. " + SEND_AS)


def unsupported(name: str, advice: str) -> ImageUnsupported:
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
