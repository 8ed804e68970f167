"""Variants of a format that no decoder reads: such a file is intact, and is not called corrupt."""

from app.imaging.metadata.iso_media import has_other_items_only
from app.imaging.metadata.jpeg import is_uncommon_jpeg
from app.imaging.metadata.tiff import read_tiff_tags

_BMP_MESSAGES = ("Unsupported BMP compression", "Unsupported BMP pixel depth (0)")
"""Pillow's, for compressions of OS/2 and printers; 0 bits are a JPEG or PNG inside."""
_TIFF_COMPRESSION, _TIFF_WEBP = 259, 50001


def is_unsupported_variant(image_format: str, view: memoryview, error: Exception) -> bool:
    """Whether `error` was raised because of what the file is, and not because it is damaged."""
    match image_format:
        case "bmp":
            return str(error).startswith(_BMP_MESSAGES)
        case "jpeg":
            return is_uncommon_jpeg(view)
        case "heic":
            return has_other_items_only(view, b"hvc1")
        case "avif":
            return has_other_items_only(view, b"av01")
        case "tiff":  # the libtiff in Pillow's wheels has no WebP
            compression = read_tiff_tags(view, {_TIFF_COMPRESSION})
            return _TIFF_WEBP in compression.get(_TIFF_COMPRESSION, ())
    return False
