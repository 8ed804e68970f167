"""Pictures as the contract takes them: a URL as it is, a local one as a small data: URL.

Pillow is optional. With it a local picture is shrunk to what a model sees anyway; without it the
file is sent as it is, where it is small enough.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, Union

from altwright.errors import UnreadableImage, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class Readable(Protocol):
    """An open file; whether it gives bytes is seen when it is read."""

    def read(self, size: int, /) -> object: ...


ImageInput = Union[str, os.PathLike[str], bytes, bytearray, memoryview, IO[bytes], "PillowImage"]
"""A URL (the only meaning of a string), a path, a file's bytes, an open file, a Pillow image."""

LONGEST_EDGE_PX = 1200
"""What the server shows a model by default; more would be uploaded for nothing."""
MAX_FILE_BYTES = 64 * 1024 * 1024
"""What the server fetches at most; also what is read into memory here."""
MAX_SENT_BYTES = 5_632 * 1024
"""In base64 7.3 MiB: the server takes bodies of 8, and context and metadata want their room."""
_SEND_AS_IT_IS_BYTES = 1024 * 1024
"""Under this, and not over the longest edge, encoding again would lose more than it saves."""
_JPEG_QUALITY = 88
"""The server encodes once more (quality 80); 88 keeps that from being seen twice."""
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "jpeg"), (0, b"\x89PNG\r\n\x1a\n", "png"), (0, b"GIF8", "gif"),
    (8, b"WEBP", "webp"), (0, b"BM", "bmp"), (0, b"II*\0", "tiff"), (0, b"MM\0*", "tiff"),
    (4, b"ftypavi", "avif"), (4, b"ftyphe", "heic"), (4, b"ftypmif1", "heic"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalFacts:
    """A local picture before it was shrunk: upright size in pixels, and the file."""

    width: int
    height: int
    format: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture that is ready to be sent."""

    image_url: str
    local: LocalFacts | None = None
    """Where the file was shrunk: what the server, which saw less, cannot know."""

    @property
    def url(self) -> str | None:
        """The address on the web; None for a local picture."""
        return None if self.image_url[:5].lower() == "data:" else self.image_url


def prepare_image(picture: ImageInput) -> PreparedImage:
    """Read, shrink and encode. Blocks while it reads and computes, for a URL not at all.

    Raises UnreadableImage with a sentence, UsageError for a string that is no URL and for values
    that are no pictures.
    """
    if isinstance(picture, str):
        return PreparedImage(_url(picture))
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(picture), "the picture")
    if isinstance(picture, os.PathLike):
        path = Path(picture)
        return _from_bytes(_read_path(path), str(path))
    if _is_pillow(picture):
        return _from_pillow(picture)  # type: ignore[arg-type]
    if hasattr(picture, "read"):
        name = getattr(picture, "name", None)
        shown = name if isinstance(name, str) else "the file"
        return _from_bytes(_read_file(picture, shown), shown)
    raise UsageError(
        f"A picture is a URL, a pathlib.Path, bytes, an open file or a Pillow image, "
        f"not {_kind(picture)}."
    )


def _url(text: str) -> str:
    scheme = text[:8].lower()
    if scheme.startswith(("http://", "https://", "data:")):
        return text
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    shown = shown.partition("?")[0]  # what stands behind it may be a secret
    hint = "" if "://" in text else " A string is always a URL; for a file write pathlib.Path(...)."
    raise UsageError(f"{shown!r} is not an http(s):// or data: URL.{hint}")


def _read_path(path: Path) -> bytes:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise UnreadableImage(f"{path} is a directory; name the pictures in it.")
        if about.st_size > MAX_FILE_BYTES:
            raise _too_large(str(path), about.st_size)
        with path.open("rb") as file:
            return _read_file(file, str(path))
    except FileNotFoundError:
        raise UnreadableImage(f"There is no file {path}.") from None
    except PermissionError:
        raise UnreadableImage(f"{path} may not be read by this user.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(f"{path} cannot be read: {reason}.") from None


def _read_file(file: Readable, shown: str) -> bytes:
    try:
        data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(f"{shown} cannot be read: {reason}.") from None
    if isinstance(data, str):
        raise UsageError(f"{shown} is open as text: open it with mode 'rb'.")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"read() of {shown} gave {_kind(data)} instead of bytes.")
    return bytes(data)


def _from_bytes(data: bytes, shown: str) -> PreparedImage:
    if not data:
        raise UnreadableImage(f"{shown} is empty.")
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(shown, len(data))
    shrunk = _shrink(data)
    if shrunk is not None:
        return shrunk
    if len(data) > MAX_SENT_BYTES:
        raise UnreadableImage(_why_not(data, shown))
    return PreparedImage(_data_url(data, sniff(data) or "unknown"))


def _why_not(data: bytes, shown: str) -> str:
    size = f"{shown} has {_mib(len(data))}; up to {_mib(MAX_SENT_BYTES)} can be sent as it is"
    try:
        import PIL  # noqa: F401
    except ImportError:
        return f"{size}. With Pillow larger ones are shrunk: pip install 'altwright[images]'"
    known = sniff(data)
    what = f"this Pillow cannot read its format ({known})" if known else "it is not a picture"
    return f"{size}, and {what}."


def _shrink(data: bytes) -> PreparedImage | None:
    """A smaller JPEG of the picture; None where it should or must be sent as it is."""
    try:
        from PIL import Image  # optional, and slow to import
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            image_format = (image.format or "").lower()
            if max(image.size) <= LONGEST_EDGE_PX and len(data) <= _SEND_AS_IT_IS_BYTES:
                return None
            width, height = _upright_size(image)
            image.draft(None, (LONGEST_EDGE_PX, LONGEST_EDGE_PX))
            jpeg = _jpeg(image)
    except Exception:  # noqa: BLE001 - a decoder may raise anything; the server is the judge of it
        return None
    return PreparedImage(
        _data_url(jpeg, "jpeg"),
        LocalFacts(width, height, image_format, len(data), hashlib.sha256(data).hexdigest()),
    )


def _from_pillow(image: PillowImage) -> PreparedImage:
    try:
        width, height = _upright_size(image)
        jpeg = _jpeg(image)
    except Exception as error:
        raise UnreadableImage(f"The Pillow image cannot be encoded: {error}.") from error
    digest = hashlib.sha256(jpeg).hexdigest()
    image_format = (image.format or "jpeg").lower()
    return PreparedImage(
        _data_url(jpeg, "jpeg"), LocalFacts(width, height, image_format, len(jpeg), digest)
    )


def _upright_size(image: PillowImage) -> tuple[int, int]:
    sideways = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if sideways else image.size


def _jpeg(image: PillowImage) -> bytes:
    """Upright, on white, in sRGB, at most the longest edge, without metadata."""
    from PIL import Image

    profile = image.info.get("icc_profile")
    small = _eight_bits(image)
    # Alpha is scaled with the colours: a transparent pixel's colour must not bleed into its edge.
    if small.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or "transparency" in small.info:
        small = small.convert("RGBA")
    elif small.mode not in ("L", "RGB", "CMYK"):
        small = small.convert("RGB")
    small = _fitted(_turned(small, image))
    if small.mode == "RGBA":
        ground = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(ground, small).convert("RGB")
    small = _srgb(small, profile).copy()
    small.info = {}  # a JPEG's comment would be written again
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _turned(small: PillowImage, source: PillowImage) -> PillowImage:
    """Turned as the source's EXIF says, which a conversion may have dropped."""
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(source.getexif().get(0x0112, 1))  # fmt: skip
    return small if turn is None else small.transpose(turn)


def _eight_bits(image: PillowImage) -> PillowImage:
    """Sixteen bits of grey brought down; Pillow's own conversion would clip them to white."""
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        raise ValueError("a picture of 32 bits has no known white")
    return image


def _fitted(image: PillowImage) -> PillowImage:
    from PIL import Image

    longest = max(image.size)
    if longest <= LONGEST_EDGE_PX:
        return image
    width, height = (max(1, round(side * LONGEST_EDGE_PX / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _srgb(image: PillowImage, profile: bytes | None) -> PillowImage:
    """Colours as a browser shows them. A broken profile is as good as none."""
    if profile:
        from PIL import ImageCms

        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turned = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            turned = None
        if turned is not None:
            turned.info.pop("icc_profile", None)
            return turned
    return image if image.mode == "L" else image.convert("RGB")


def sniff(data: bytes) -> str | None:
    """The format that the first bytes tell, None where they tell none."""
    for offset, magic, name in _SIGNATURES:
        if data[offset : offset + len(magic)] == magic:
            return name
    return "svg+xml" if b"<svg" in data[:1024] else None


def _data_url(data: bytes, image_format: str) -> str:
    return f"data:image/{image_format};base64,{base64.b64encode(data).decode('ascii')}"


def _is_pillow(picture: object) -> bool:
    # Whoever holds a Pillow image has imported this; nobody else should pay for it.
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(picture, module.Image)


def _too_large(shown: str, size: int) -> UnreadableImage:
    most = _mib(MAX_FILE_BYTES)
    # Of a pipe or a device no more than that was read.
    has = f"more than {most}" if size == MAX_FILE_BYTES + 1 else _mib(size)
    return UnreadableImage(f"{shown} has {has}; pictures of up to {most} are taken.")


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MiB"


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
