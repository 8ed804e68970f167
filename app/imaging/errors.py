"""Errors of recognising and decoding images."""

from app.errors import CaptionError


class ImageUnsupported(CaptionError):
    """The file is not an image, or its format is not supported."""

    code, status = "image_unsupported", 422
    title = "The image's format is not supported"
    public = (
        "This is not an image of a supported format. Use JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF."
    )

    @classmethod
    def for_kind(cls, kind: str, advice: str, *, log_reason: str = "") -> "ImageUnsupported":
        """The error that names what the file is instead, and what to do."""
        return cls(f"This is {kind}, which is not supported. {advice}", log_reason=log_reason)


class ImageCorrupt(CaptionError):
    """The image cannot be decoded, or decoding it costs too much."""

    code, status = "image_corrupt", 422
    title = "The image cannot be decoded"
    public = "The image is damaged or cannot be decoded. Save it again and retry with the new file."


class ImageTooLarge(CaptionError):
    """The image is over the limit of bytes or of pixels."""

    code, status = "image_too_large", 422
    title = "The image is too large"
    public = "The image is over the server's limit of bytes or pixels. Send a smaller version."

    @classmethod
    def over_bytes(cls, max_bytes: int) -> "ImageTooLarge":
        """The error that names the limit of bytes."""
        return cls(
            f"The image is over this server's limit of {max_bytes:,} bytes. Send a smaller version."
        )
