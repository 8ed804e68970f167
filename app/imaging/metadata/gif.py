"""Blocks of a GIF before its first image (GIF89a specification, sections 17 to 26)."""

import re
from dataclasses import dataclass

_SCREEN_BYTES = 13
_HAS_PALETTE = 0x80
_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"
_BLOCK_START = re.compile(rb"[!,;]")
_GRAPHIC_CONTROL = 0xF9
_HAS_TRANSPARENCY = 0x01
_GRAPHIC_CONTROL_BYTES = 8


@dataclass(frozen=True, slots=True)
class GifStart:
    """Where the parts of a GIF are that decoding its first image needs."""

    screen_end: int
    """End of the header and the global palette."""
    control_at: int | None
    """The extension that says which colour is transparent."""
    image_at: int
    """The first image. Before it: comments, extensions of applications, junk."""

    def parts(self, view: memoryview) -> list[memoryview]:
        """The file without what stands before the first image and does not change it."""
        control = []
        if self.control_at is not None:
            control = [view[self.control_at : self.control_at + _GRAPHIC_CONTROL_BYTES]]
        return [view[: self.screen_end], *control, view[self.image_at :]]


class TooManyBlocks(Exception):
    """The first image has not been found within the allowed number of blocks."""


def find_first_image(view: memoryview, max_blocks: int) -> GifStart | None:
    """Find the first image; None where there is none. Raises TooManyBlocks.

    Like browsers and Pillow, it skips what is no block.
    """
    if len(view) < _SCREEN_BYTES:
        return None
    flags = view[10]
    screen_end = _SCREEN_BYTES + (6 << (flags & 7) if flags & _HAS_PALETTE else 0)
    at, control_at, blocks = screen_end, None, 0
    try:
        while (found := _BLOCK_START.search(view, at)) is not None:
            at = found.start()
            if found[0] == _IMAGE:
                return GifStart(screen_end, control_at, at)
            if found[0] == _TRAILER:
                return None
            if _is_transparency(view, at):
                control_at = at
            at += 2
            while (length := view[at]) != 0:
                at += 1 + length
                blocks += 1
                if blocks > max_blocks:
                    raise TooManyBlocks
            at += 1
            blocks += 1
            if blocks > max_blocks:
                raise TooManyBlocks
    except IndexError:  # the file ends within a block
        pass
    return None


def _is_transparency(view: memoryview, at: int) -> bool:
    """Whether a graphic control extension of the usual form names a transparent colour."""
    return (
        at + _GRAPHIC_CONTROL_BYTES <= len(view)
        and view[at + 1] == _GRAPHIC_CONTROL
        and view[at + 2] == 4
        and view[at + 7] == 0
        and bool(view[at + 3] & _HAS_TRANSPARENCY)
    )
