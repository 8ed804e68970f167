"""Files that cost far more to decode than their size suggests."""

import struct
import zlib

from PIL import Image

from tests.imaging import image_files


def make_bombs() -> dict[str, tuple[bytes, str]]:
    """Name, bytes and format of each file."""
    progressive = image_files.encode(
        image_files.draw_quadrants((1200, 1200)), "jpeg", progressive=True
    )
    pack = struct.pack
    frame = image_files.encode(Image.new("P", (64, 64)), "gif")
    screen = 13 + 3 * 2 ** ((frame[10] & 7) + 1)
    lzw = image_files.encode(Image.new("L", (64, 64)), "gif")[-30:]
    short = [
        (256, 3, 1, 64),
        (257, 3, 1, 64),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, 64),
        (279, 4, 1, 4096),
    ]
    flood = [(256, 4, 1, 60_000), (257, 4, 1, 60_000), *short[2:]]
    return {
        "1,000 extra scans": (image_files.repeat_last_scan(progressive, 1000), "jpeg"),
        "a JPEG of 65,500 x 65,500": (
            progressive[:2]
            + b"\xff\xc0\x00\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\x00"
            + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
            + bytes(1000),
            "jpeg",
        ),
        "a PNG of 2^31 x 2^31": (
            image_files.make_png((2**31 - 1, 2**31 - 1), 8, 0, b"\0" * 999),
            "png",
        ),
        "60 MB behind 64 x 64 pixels": (
            image_files.make_png((64, 64), 8, 0, bytes(60_000_000), level=9),
            "png",
        ),
        "40 MB of packed text": (
            image_files.make_png(
                (64, 64),
                8,
                0,
                bytes(65 * 64),
                before=[image_files.png_chunk(b"zTXt", b"a\0\0" + zeros(40_000_000))],
            ),
            "png",
        ),
        "100,000 chunks": (
            image_files.make_png(
                (64, 64),
                8,
                0,
                bytes(65 * 64),
                before=[image_files.png_chunk(b"tEXt", b"a\0b")] * 100_000,
            ),
            "png",
        ),
        "a GIF of 10,000 frames": (frame[:-1] + frame[screen:-1] * 10_000 + b";", "gif"),
        "a GIF canvas of 65,535": (frame[:6] + pack("<HH", 65535, 65535) + frame[10:], "gif"),
        "a GIF frame larger than its canvas": (
            b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0" + pack("<HH", 65535, 65535) + lzw,
            "gif",
        ),
        "a WebP of 16,383 x 16,383": (
            b"RIFF\x40\0\0\0WEBPVP8L\x20\0\0\0\x2f" + pack("<I", 0x3FFF | 0x3FFF << 14) + bytes(27),
            "webp",
        ),
        "a WebP canvas of 2^24": (
            b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6 + bytes(40),
            "webp",
        ),
        "a BMP of 2^31 rows": (
            b"BM" + bytes(12) + pack("<IiiHHI", 40, 30000, -(2**31), 1, 24, 0) + bytes(60),
            "bmp",
        ),
        "a TIFF of 60,000 x 60,000": (image_files.make_tiff(flood), "tiff"),
        "a TIFF with 2^31 bits per sample entries": (
            image_files.make_tiff([*short[:2], (258, 3, 2**31, 8), *short[3:]]),
            "tiff",
        ),
        "a TIFF strip of 4 GB": (
            image_files.make_tiff(
                [*short[:3], (259, 3, 1, 5), *short[4:-1], (279, 4, 1, 2**32 - 1)]
            ),
            "tiff",
        ),
        "a TIFF tile of 2^30 pixels a side": (
            image_files.make_tiff(
                [
                    *short[:3],
                    (259, 3, 1, 5),
                    (262, 3, 1, 1),
                    (277, 3, 1, 1),
                    (322, 4, 1, 2**30),
                    (323, 4, 1, 2**30),
                    (324, 4, 1, 8),
                    (325, 4, 1, 99),
                ]
            ),
            "tiff",
        ),
        "a TIFF directory that leads to itself": (
            image_files.make_tiff([*short, (34665, 4, 1, 8), (330, 4, 1, 8)])[:-4]
            + pack("<I", 8)
            + bytes(4096),
            "tiff",
        ),
        "a TIFF of 65,535 samples": (
            image_files.make_tiff([*short[:6], (277, 3, 1, 65535), *short[7:]], bytes(4096)),
            "tiff",
        ),
    }


def zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)
