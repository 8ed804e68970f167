"""A JPEG without its end marker: accepted where it is complete, refused where it is truncated."""

from collections.abc import Callable, Sequence

from PIL import Image, ImageChops

from app.imaging.decoders.joined_input import JoinedInput
from app.workers.errors import JobRefused
from app.workers.handler import JobInput

_END_MARKER = b"\xff\xd9"

# In a file that was truncated at a restart marker, a decoder looks for the next restart marker, and
# reads on only from there.
_FILLINGS = (
    b"\x55" * 4096,
    2 * b"".join(bytes((0xFF, restart)) + b"\x55" * 256 for restart in range(0xD0, 0xD8)),
)


def load_jpeg_without_end(
    parts: Sequence[memoryview], load: Callable[[JobInput], Image.Image]
) -> Image.Image:
    """Load a JPEG that lacks only its end marker, which is common. `parts` are those of the file.

    It is loaded with and without further data before the marker. In a complete image that makes no
    difference; a truncated one takes its last part from there. Raises JobRefused for the latter.
    """
    # Half a marker at the very end would form another marker with what follows.
    last = parts[-1]
    start = [*parts[:-1], last[:-1] if last[-1] == 0xFF else last]
    image = load(JoinedInput([*start, _END_MARKER]))
    for filling in _FILLINGS:
        other = load(JoinedInput([*start, filling + _END_MARKER]))
        if ImageChops.difference(image, other).getbbox() is not None:
            raise JobRefused("corrupt", "the JPEG is truncated")
    return image
