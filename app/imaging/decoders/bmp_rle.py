"""Run-length encoding of BMP (BI_RLE8 and BI_RLE4), decoded a whole run at a time.

Pillow's own decoder works pixel by pixel in Python: an invalid file of 23 KB took it over ten
seconds.
"""

_HEX_DIGITS = bytes(
    int(chr(code), 16) if chr(code) in "0123456789abcdef" else 0 for code in range(256)
)
"""Translates the hexadecimal form of a byte to the two pixels of 4 bits that it holds."""

_END_OF_LINE, _END_OF_BITMAP, _DELTA = 0, 1, 2


def decode_bmp_rle(
    packed: memoryview, width: int, height: int, *, is_rle4: bool
) -> tuple[bytearray, bytearray | None]:
    """One byte for each pixel, rows in the order of the file; and which pixels the file has.

    The latter are 255, and those that it leaves out 0; None where it leaves none out. Raises
    ValueError where the data ends before the image.
    """
    canvas = _Canvas(width, height)
    x = y = at = 0
    while y < height and at + 2 <= len(packed):
        count, value = packed[at], packed[at + 1]
        at += 2
        if count:
            pixels = bytes((value >> 4, value & 15)) * 128 if is_rle4 else bytes((value,)) * count
        elif value == _END_OF_LINE:
            x, y = 0, y + 1
            continue
        elif value == _END_OF_BITMAP:
            return canvas.finish()
        elif value == _DELTA:
            x, y, at = x + packed[at], y + packed[at + 1], at + 2
            continue
        else:  # pixels that follow as they are, padded to 16 bits
            count = value
            length = (count + 1) // 2 if is_rle4 else count
            pixels = bytes(packed[at : at + length])
            if len(pixels) < length:
                break
            if is_rle4:
                pixels = pixels.hex().encode().translate(_HEX_DIGITS)
            at += length + length % 2
        canvas.write(x, y, pixels[:count])
        x += count
    if y < height and not (y == height - 1 and x >= width):
        raise ValueError("the run-length encoded data is truncated")
    return canvas.finish()


class _Canvas:
    """Pixels that are written row by row, from left to right."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._pixels = bytearray(width * height)
        self._is_there: bytearray | None = None
        self._end = 0
        """Of what has been written."""

    def write(self, x: int, y: int, pixels: bytes) -> None:
        """Those beyond the right edge are cut off."""
        visible = min(len(pixels), self._width - x)
        if visible <= 0:
            return
        begin = y * self._width + x
        if begin > self._end:
            self._leave_out(begin)
        self._end = begin + visible
        self._pixels[begin : self._end] = pixels[:visible]

    def finish(self) -> tuple[bytearray, bytearray | None]:
        """The pixels, and which of them the file has."""
        if self._end < len(self._pixels):
            self._leave_out(len(self._pixels))
        return self._pixels, self._is_there

    def _leave_out(self, to: int) -> None:
        if self._is_there is None:
            self._is_there = bytearray(b"\xff") * len(self._pixels)
        self._is_there[self._end : to] = bytes(to - self._end)
