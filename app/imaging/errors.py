"""Errors of recognising and decoding an image."""

from app.errors import CaptionError


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


def too_large(max_bytes: int) -> ImageTooLarge:
    """The refusal that names the limit."""
    return ImageTooLarge(
        f"The image is over this server's limit of {max_bytes:,} bytes. Send a smaller version."
    )
