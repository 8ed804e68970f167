"""The values that go into the decoders and come out of them."""

from dataclasses import dataclass

from PIL import Image

from app.imaging.colour import Colours
from app.imaging.geometry import (
    Size,
    choose_scaled_longest,
    estimate_tall_memory_bytes,
    turn_upright,
)
from app.workers.errors import JobRefused
from app.workers.handler import JobInput, Reserve


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One file to decode, with its limits."""

    image_format: str
    """As sniffed."""
    data: JobInput
    longest_px: int
    """The limit of the longer side of what is sent."""
    max_pixels: int
    reserve: Reserve

    @property
    def view(self) -> memoryview:
        """The bytes of the file."""
        return self.data.view

    def scaled_longest_px(self, size_px: Size, orientation: int = 1) -> int:
        """The longer side may be scaled down to this while the file is decoded.

        `size_px` is the size as stored, `orientation` what EXIF says and the decoder leaves to us.
        """
        return choose_scaled_longest(turn_upright(size_px, orientation), self.longest_px)

    def reserve_for(
        self, size_px: Size, memory_bytes: int, work_ms: float, orientation: int = 1
    ) -> None:
        """Reserve memory for decoding an image of this size, and what a tall page needs on top."""
        tall_bytes = estimate_tall_memory_bytes(size_px, orientation, self.longest_px)
        self.reserve(memory_bytes + tall_bytes, work_ms)

    def announce(self, work_ms: float) -> None:
        """Announce work that comes before the size of the image is known."""
        self.reserve(0, work_ms)

    def check_size(self, size_px: Size | None) -> None:
        """Raises JobRefused with the code `too_large` over `max_pixels`."""
        if size_px is not None and size_px[0] * size_px[1] > self.max_pixels:
            raise JobRefused("too_large", f"{size_px[0]} x {size_px[1]} pixels")


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Pixels, perhaps already scaled down, and what remains to be done to them."""

    image: Image.Image
    size_px: Size
    """Size of the source, as stored."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 where the decoder has applied it."""
    colours: Colours
