"""Normaliser: sends an image to a child process and receives a small JPEG that models can see.

The server never decodes an image, and checks what the child returns. The child's side is
normalise_handler.py.
"""

import asyncio
import hashlib

from pydantic import BaseModel, Field

from app.errors import Overloaded
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.runtime.deadline import Deadline
from app.telemetry.tracing import step_span
from app.types import ModelImage, NormalisedImage, SourceFacts, SourceImage
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.handler import JsonValue
from app.workers.pool import WorkerPool

HANDLER = "normalise"
"""Name under which the pool must run `app.imaging.normalise_handler:normalise_job`."""

_HASH_INLINE_BYTES = 1_048_576
# SHA-256 takes 0.6 ms for this, twice as long on a processor without instructions for it. Using a
# thread costs 0.3 ms.

_INVALID_RESULT = "the result of the child process is not a normalised image"

_TOO_EXPENSIVE = (
    "This image costs too much to decode: more time or memory than one image may take. "
    "Save it smaller, or as a plain (not progressive) JPEG, and send that."
)


_VARIANTS = {
    "jpeg": "a JPEG of a rare kind (12 bits, hierarchical or JPEG-LS)",
    "bmp": "a BMP with a compression of OS/2 or of printers",
    "tiff": "a TIFF with a compression, a colour model or numbers (NaN, complex) of a rare kind",
    "avif": "an AVIF file without an AV1 image",
    "heic": "a HEIF file without an HEVC image",
}
_SAVE_AS_USUAL = "The file is not damaged: save it as PNG or as ordinary JPEG, and send that."


class ImageSettings(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How images are decoded, and what the model sees of them."""

    longest_edge_px: int = Field(1200, ge=64, le=4096)
    """Longest edge in pixels of what the model sees. Only icons that models refuse are enlarged."""
    max_megapixels: float = Field(150, gt=0, le=1000)
    """The largest source, in millions of pixels."""
    decode_timeout_s: float = Field(10, gt=0, le=60)
    """Seconds for decoding one image, not counting the wait for a child process."""


class Normaliser:
    """Turns the source image into the image that a captioner sees."""

    def __init__(self, settings: ImageSettings, pool: WorkerPool) -> None:
        self._settings = settings
        self._pool = pool

    async def normalise(
        self, source: SourceImage, deadline: Deadline, *, caller: str = ""
    ) -> NormalisedImage:
        """An upright, opaque sRGB image without metadata, scaled down to the limit.

        Of a tall page the upper part. Where models would refuse the size, a second image for them.

        Where children are scarce they are shared fairly among callers, and among the hosts of one
        caller's images. Raises ImageTooLarge (pixels), ImageUnsupported (no decoder), ImageCorrupt
        (damaged, or too expensive), Overloaded (no child or memory before `deadline`).
        """
        if len(source.data) > self._pool.input_max_bytes:
            raise ImageTooLarge(log_reason="more bytes than a child process accepts")
        with step_span("image.decode", {"altwright.image.format": source.format}) as span:
            image = await self._normalise(source, deadline, caller)
            span.set_attributes(
                {
                    "altwright.image.width": image.source.width_px,
                    "altwright.image.height": image.source.height_px,
                }
            )
        return image

    async def _normalise(
        self, source: SourceImage, deadline: Deadline, caller: str
    ) -> NormalisedImage:
        args: dict[str, JsonValue] = {
            "format": source.format,
            "longest_edge_px": self._settings.longest_edge_px,
            "max_pixels": int(self._settings.max_megapixels * 1_000_000),
        }
        try:
            facts, jpeg = await self._pool.run(
                HANDLER,
                source.data,
                args,
                timeout_s=self._settings.decode_timeout_s,
                deadline=deadline,
                fairness_key=(caller, source.host),
            )
        except JobRefused as refusal:
            raise self._error_for(refusal, source) from refusal
        except (ChildTimeout, ChildDied) as error:
            raise ImageCorrupt(
                _TOO_EXPENSIVE, log_reason=f"{type(error).__name__}: {error}"
            ) from error
        except PoolBusy as error:
            raise Overloaded(retry_after_s=1, log_reason=str(error)) from error
        return self._check_result(facts, jpeg, source, await _sha256(source.data))

    def _error_for(
        self, refusal: JobRefused, source: SourceImage
    ) -> ImageTooLarge | ImageUnsupported | ImageCorrupt:
        # No text of the child reaches a caller: a hostile file may have taken the child over.
        reason = f"{refusal.code}: {refusal.reason}"
        match refusal.code:
            case "too_large":
                return ImageTooLarge(
                    f"The image has more than {self._settings.max_megapixels:g} megapixels, "
                    "this server's limit. Send a smaller version.",
                    log_reason=reason,
                )
            case "unsupported" if source.format == "heic":
                return ImageUnsupported(
                    "HEIC is not enabled on this server. Send JPEG, PNG or WebP, or ask the "
                    "operator to install pillow-heif.",
                    log_reason=reason,
                )
            case "unsupported":
                return ImageUnsupported(log_reason=reason)
            case "unsupported_variant" if source.format in _VARIANTS:
                kind = _VARIANTS[source.format]
                return ImageUnsupported.for_kind(kind, _SAVE_AS_USUAL, log_reason=reason)
            case "too_expensive" | "memory":
                return ImageCorrupt(_TOO_EXPENSIVE, log_reason=reason)
            case _:
                return ImageCorrupt(log_reason=reason)

    def _check_result(
        self, facts: dict[str, JsonValue], jpeg: bytes, source: SourceImage, sha256: str
    ) -> NormalisedImage:
        width, height = _get_size(facts, "width", "height")
        jpeg_bytes = facts.get("jpeg_bytes")
        split_at = jpeg_bytes if isinstance(jpeg_bytes, int) else len(jpeg)
        image = self._check_image(facts, "sent", jpeg[:split_at])
        enlarged_or_padded = None
        if "jpeg_bytes" in facts:
            enlarged_or_padded = self._check_image(facts, "model", jpeg[split_at:])
        if not (width and height):
            raise ImageCorrupt(log_reason=_INVALID_RESULT)
        return NormalisedImage(
            jpeg=image.jpeg,
            width_px=image.width_px,
            height_px=image.height_px,
            source=SourceFacts(
                width_px=width,
                height_px=height,
                format=source.format,
                bytes=len(source.data),
                sha256=sha256,
            ),
            enlarged_or_padded=enlarged_or_padded,
            is_small_source=facts.get("is_small_source") is True,
        )

    def _check_image(self, facts: dict[str, JsonValue], name: str, jpeg: bytes) -> ModelImage:
        width, height = _get_size(facts, f"{name}_width", f"{name}_height")
        is_jpeg = jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")
        is_too_long = max(width, height) > self._settings.longest_edge_px
        if not (width and height and is_jpeg) or is_too_long:
            raise ImageCorrupt(log_reason=_INVALID_RESULT)
        return ModelImage(jpeg, width, height)


def _get_size(facts: dict[str, JsonValue], *names: str) -> tuple[int, int]:
    """Width and height; 0 for what is no positive number."""
    sides = [facts.get(name) for name in names]
    width, height = (side if isinstance(side, int) and side > 0 else 0 for side in sides)
    return width, height


async def _sha256(data: bytes | memoryview) -> str:
    """Computed in the server, not in the child: it is part of the cache key."""
    if len(data) <= _HASH_INLINE_BYTES:
        return hashlib.sha256(data).hexdigest()
    digest = await asyncio.to_thread(hashlib.sha256, data)
    return digest.hexdigest()
