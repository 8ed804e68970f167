"""The parent's side of normalising: a picture goes to a child process, a small JPEG comes back.

Nothing here looks into the picture, and what a child says is checked before it is believed.
"""

import asyncio
import hashlib

from pydantic import BaseModel, Field

from app.errors import Overloaded
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.runtime.deadline import Deadline
from app.types import NormalisedImage, SourceFacts, SourceImage
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.handler import JsonValue
from app.workers.pool import WorkerPool

HANDLER = "normalise"
"""The name under which the pool must run `app.imaging.render:render`."""

_HASH_INLINE_BYTES = 1_048_576
# 0.6 ms of SHA-256, twice that on a processor without instructions for it; handing it to a thread
# costs 0.3 ms.

_COSTLY = (
    "This image costs too much to decode: more time or memory than one image may take. "
    "Save it smaller, or as a plain (not progressive) JPEG, and send that."
)


class ImageSettings(BaseModel, frozen=True, use_attribute_docstrings=True):
    """How pictures are decoded, and what the model sees of them."""

    longest_edge_px: int = Field(1200, ge=64, le=4096)
    """Longest edge in pixels of what the model sees. Never enlarged."""
    max_megapixels: float = Field(150, gt=0, le=1000)
    """The largest source, in millions of pixels."""
    decode_timeout_s: float = Field(10, gt=0, le=60)
    """Seconds that decoding one image may take, waiting not counted."""


class Normaliser:
    """Makes what a captioner sees out of what an origin sent."""

    def __init__(self, settings: ImageSettings, pool: WorkerPool) -> None:
        self._settings = settings
        self._pool = pool

    async def normalise(
        self, source: SourceImage, deadline: Deadline, *, caller: str = ""
    ) -> NormalisedImage:
        """Upright, opaque, sRGB, without metadata, longest edge within the limit.

        Where children are few, callers take turns, and so do the hosts of one caller's pictures.
        Raises ImageTooLarge (pixels), ImageUnsupported (no decoder), ImageCorrupt (broken, or too
        costly), Overloaded (no child or memory before `deadline`).
        """
        if len(source.data) > self._pool.input_max_bytes:
            raise ImageTooLarge(log_reason="more bytes than the children may be given")
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
            raise self._error(refusal, source) from refusal
        except (ChildTimeout, ChildDied) as error:
            raise ImageCorrupt(_COSTLY, log_reason=f"{type(error).__name__}: {error}") from error
        except PoolBusy as error:
            raise Overloaded(retry_after_s=1, log_reason=str(error)) from error
        return self._check(facts, jpeg, source, await _sha256(source.data))

    def _error(
        self, refusal: JobRefused, source: SourceImage
    ) -> ImageTooLarge | ImageUnsupported | ImageCorrupt:
        # The sentences are ours: a child that a file has taken over does not speak to callers.
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
                    "HEIC is not switched on here. Send JPEG, PNG or WebP, or ask the operator "
                    "to install pillow-heif.",
                    log_reason=reason,
                )
            case "unsupported":
                return ImageUnsupported(log_reason=reason)
            case "costly" | "memory":
                return ImageCorrupt(_COSTLY, log_reason=reason)
            case _:
                return ImageCorrupt(log_reason=reason)

    def _check(
        self, facts: dict[str, JsonValue], jpeg: bytes, source: SourceImage, sha256: str
    ) -> NormalisedImage:
        sides = [facts.get(name) for name in ("width", "height", "sent_width", "sent_height")]
        width, height, sent_width, sent_height = (
            side if isinstance(side, int) and side > 0 else 0 for side in sides
        )
        longest = max(sent_width, sent_height)
        whole = jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")
        if not (width and height and sent_width and sent_height and whole) or (
            longest > self._settings.longest_edge_px
        ):
            raise ImageCorrupt(log_reason="the child's answer is no normalised picture")
        return NormalisedImage(
            jpeg=jpeg,
            width_px=sent_width,
            height_px=sent_height,
            source=SourceFacts(
                width_px=width,
                height_px=height,
                format=source.format,
                bytes=len(source.data),
                sha256=sha256,
            ),
        )


async def _sha256(data: bytes | memoryview) -> str:
    """Computed here, not in the child: answers are cached under it."""
    if len(data) <= _HASH_INLINE_BYTES:
        return hashlib.sha256(data).hexdigest()
    digest = await asyncio.to_thread(hashlib.sha256, data)
    return digest.hexdigest()
