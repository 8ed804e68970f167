"""Pictures of one drawing in every format and kind of colour, for a comparison with a browser.

The drawing is a chart of flat patches, so that coding does not blur what is compared.
"""

import io
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from PIL import Image

PATCH_PX = 32
COLUMNS = 6
COLOURS = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255),
    (200, 100, 50), (60, 140, 200), (30, 60, 20), (120, 80, 160), (230, 190, 160), (90, 50, 30),
    (255, 255, 255), (224, 224, 224), (192, 192, 192), (148, 148, 148), (120, 120, 120),
    (96, 96, 96), (64, 64, 64), (32, 32, 32), (12, 12, 12), (0, 0, 0), (180, 40, 60),
    (40, 180, 120),
)  # fmt: skip
SIZE = (COLUMNS * PATCH_PX, len(COLOURS) // COLUMNS * PATCH_PX)

_SRGB, _BT2020, _P3 = 1, 9, 12
_LINEAR, _SRGB_CURVE, _PQ, _HLG = 8, 13, 16, 18
_WHITE_XY = (31_270, 32_900)
_P3_XY = (*_WHITE_XY, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)


@dataclass(frozen=True, slots=True)
class ColourPicture:
    """One file of the chart."""

    name: str
    image_format: str
    """As the server names it."""
    data: bytes

    @property
    def is_hdr(self) -> bool:
        """Whether it has light over white."""
        return "PQ" in self.name or "HLG" in self.name


def draw_chart() -> Image.Image:
    """The chart in mode RGB."""
    chart = Image.new("RGB", SIZE)
    for number, colour in enumerate(COLOURS):
        left, upper = number % COLUMNS * PATCH_PX, number // COLUMNS * PATCH_PX
        chart.paste(colour, (left, upper, left + PATCH_PX, upper + PATCH_PX))
    return chart


def make_colour_pictures(formats: Collection[str] = ()) -> list[ColourPicture]:
    """Those of these formats, or of all."""
    makers = {
        "jpeg": _jpegs, "png": _pngs, "gif": _gifs, "webp": _webps, "bmp": _bmps, "avif": _avifs,
        "tiff": _tiffs, "heic": _heics,
    }  # fmt: skip
    return [
        ColourPicture(name, image_format, data)
        for image_format, make in makers.items()
        if not formats or image_format in formats
        for name, data in make(draw_chart())
    ]


def _encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def _with_alpha(chart: Image.Image) -> Image.Image:
    alpha = Image.linear_gradient("L").resize(SIZE).point(lambda value: value // 64 * 85)
    rgba = chart.convert("RGBA")
    rgba.putalpha(alpha)
    return rgba


def _make_p3_profile() -> bytes:
    """Display P3 with a plain gamma of 1.8."""
    columns = (
        (0.51512, 0.24120, -0.00105),
        (0.29198, 0.69225, 0.04189),
        (0.15710, 0.06657, 0.78407),
    )
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)) + b"\0\0"
    tags = {b"wtpt": (0.9642, 1.0, 0.8249)}
    tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True))
    bodies = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in xyz))
        for name, xyz in tags.items()
    }
    bodies |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, data, at = b"", b"", 132 + 12 * len(bodies)
    for name, body in bodies.items():
        table += name + struct.pack(">II", at + len(data), len(body))
        data += body
    rest = struct.pack(">I", len(bodies)) + table + data
    head = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head = (head + struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")).ljust(68, b"\0")
    return (head + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0") + rest


def _jpegs(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    plain = {"quality": 98, "subsampling": 0}
    yield "4:4:4", _encode(chart, "jpeg", **plain)
    yield "4:2:0", _encode(chart, "jpeg", quality=98, subsampling=2)
    yield "progressive", _encode(chart, "jpeg", progressive=True, **plain)
    yield "grey", _encode(chart.convert("L"), "jpeg", quality=98)
    yield "RGB, not YCbCr", _encode(chart, "jpeg", keep_rgb=True, quality=98)
    yield "CMYK", _encode(chart.convert("CMYK"), "jpeg", quality=98)
    yield "profile P3", _encode(chart, "jpeg", icc_profile=_make_p3_profile(), **plain)
    yield (
        "grey, RGB profile",
        _encode(chart.convert("L"), "jpeg", icc_profile=_make_p3_profile(), quality=98),
    )


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(
    image: Image.Image, *chunks: tuple[bytes, bytes], depth: int = 8, hides_default: bool = False
) -> bytes:
    """A PNG with these chunks; with 16 bits each sample is its byte twice."""
    width, height = image.size
    colour_type = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[image.mode]
    samples = image.tobytes()
    if depth == 16:
        samples = bytes(byte for byte in samples for _ in (0, 1))
    row_bytes = len(samples) // height
    rows = b"".join(
        b"\0" + samples[at : at + row_bytes] for at in range(0, len(samples), row_bytes)
    )
    parts = [_png_chunk(kind, body) for kind, body in chunks]
    if hides_default:
        control = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 10, 0, 0)
        parts += [
            _png_chunk(b"acTL", struct.pack(">II", 1, 0)),
            _png_chunk(b"IDAT", zlib.compress(bytes(len(rows)))),
            _png_chunk(b"fcTL", control),
            _png_chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(rows)),
        ]
    else:
        parts.append(_png_chunk(b"IDAT", zlib.compress(rows)))
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", _png_chunk(b"IHDR", header), *parts, _png_chunk(b"IEND", b""))
    )


def _pngs(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    grey, alpha = chart.convert("L"), _with_alpha(chart)
    yield "RGB", _png(chart)
    yield "RGB, 16 bits", _png(chart, depth=16)
    yield "RGBA", _png(alpha)
    yield "RGBA, 16 bits", _png(alpha, depth=16)
    yield "grey", _png(grey)
    yield "grey, 16 bits", _png(grey, depth=16)
    yield "grey with alpha", _png(alpha.convert("LA"))
    yield "black and white", _encode(grey.convert("1"), "png")
    yield "palette", _encode(chart.quantize(24), "png")
    yield "palette, transparent", _encode(chart.quantize(24), "png", transparency=3)
    yield "transparent colour", _png(chart, (b"tRNS", struct.pack(">3H", *COLOURS[6])))
    yield "APNG, hidden default", _png(chart, hides_default=True)
    yield from _png_colours(chart, grey)


def _png_colours(chart: Image.Image, grey: Image.Image) -> Iterator[tuple[str, bytes]]:
    profile = b"iCCP", b"p\0\0" + zlib.compress(_make_p3_profile())
    linear = b"gAMA", struct.pack(">I", 100_000)
    usual = b"gAMA", struct.pack(">I", 45_455)
    primaries = b"cHRM", struct.pack(">8I", *_P3_XY)
    srgb = b"sRGB", b"\0"

    def code_points(of_primaries: int, transfer: int) -> tuple[bytes, bytes]:
        return b"cICP", bytes((of_primaries, transfer, 0, 1))

    yield "sRGB before gAMA", _png(chart, linear, srgb)
    yield "gAMA 1.0", _png(chart, linear)
    yield "gAMA 1.0, grey", _png(grey, linear)
    yield "cHRM alone", _png(chart, primaries)
    yield "gAMA, cHRM P3", _png(chart, usual, primaries)
    yield "iCCP before gAMA", _png(chart, linear, profile)
    yield "iCCP (RGB), grey", _png(grey, profile)
    yield "cICP P3 before iCCP", _png(chart, code_points(_P3, _SRGB_CURVE), profile)
    yield "cICP BT.2020", _png(chart, code_points(_BT2020, _SRGB_CURVE))
    yield "cICP BT.709 curve", _png(chart, code_points(_SRGB, 1))
    yield "cICP unknown, gAMA", _png(chart, code_points(99, 99), linear)
    yield "cICP linear, grey", _png(grey, code_points(_SRGB, _LINEAR))
    yield "cICP PQ", _png(chart, code_points(_BT2020, _PQ))
    yield "cICP PQ, 16 bits", _png(chart, code_points(_BT2020, _PQ), depth=16)
    yield "cICP PQ, grey", _png(grey, code_points(_BT2020, _PQ))
    level = b"cLLI", struct.pack(">II", 400 * 10_000, 100 * 10_000)
    yield "cICP PQ, cLLI 400", _png(chart, code_points(_BT2020, _PQ), level)
    yield "cICP HLG", _png(chart, code_points(_BT2020, _HLG))
    yield "cICP HLG, P3", _png(chart, code_points(_P3, _HLG))
    alpha = _with_alpha(chart)
    yield "alpha, gAMA 1.0", _png(alpha, linear)
    yield "alpha, iCCP", _png(alpha, profile)
    yield "alpha, cICP P3", _png(alpha, code_points(_P3, _SRGB_CURVE))
    yield "alpha, cICP PQ, grey", _png(alpha.convert("LA"), code_points(_BT2020, _PQ))


def _gifs(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    palette = chart.quantize(24)
    yield "palette", _encode(palette, "gif")
    yield "transparent", _encode(palette, "gif", transparency=5)
    yield (
        "animated",
        _encode(
            palette, "gif", save_all=True, append_images=[Image.new("P", SIZE)], duration=60_000
        ),
    )


def _webps(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    yield "lossy", _encode(chart, "webp", quality=98)
    yield "lossless", _encode(chart, "webp", lossless=True)
    yield "alpha", _encode(_with_alpha(chart), "webp", lossless=True)
    yield "profile P3", _encode(chart, "webp", lossless=True, icc_profile=_make_p3_profile())
    yield (
        "alpha, profile P3",
        _encode(_with_alpha(chart), "webp", lossless=True, icc_profile=_make_p3_profile()),
    )


def _bmp(
    image: Image.Image, bits: int, masks: tuple[int, ...], header: int = 124, profile: bytes = b""
) -> bytes:
    """A BMP whose samples have these bit masks: red, green, blue and perhaps alpha."""
    pixels = bytearray()
    bands = [band.tobytes() for band in image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).split()]
    for pixel in zip(*bands, strict=True):
        word = 0
        for sample, mask in zip(pixel, masks, strict=True):
            top = mask >> (low := (mask & -mask).bit_length() - 1)
            word |= round(sample * top / 255) << low
        pixels += word.to_bytes(bits // 8, "little")
    info = struct.pack(
        "<IiiHHIIiiII", header, *image.size, 1, bits, 3, len(pixels), 2835, 2835, 0, 0
    )
    info += struct.pack(f"<{len(masks)}I", *masks)
    if header > 40:
        info = info.ljust(header, b"\0")
    if profile:
        places = struct.pack("<III", header + len(pixels), len(profile), 0)
        info = info[:56] + b"DEBM" + info[60:112] + places
    at = 14 + len(info)
    file_header = b"BM" + struct.pack("<IHHI", at + len(pixels) + len(profile), 0, 0, at)
    return file_header + info + pixels + profile


def _palette_bmp(palette: Image.Image, bits: int, compression: int, pixels: bytes) -> bytes:
    """A BMP with the first colours of a palette."""
    colours = palette.getpalette("RGBX") or []
    table = b"".join(bytes((b, g, r, 0)) for r, g, b, _ in zip(*[iter(colours)] * 4, strict=True))
    table = table[: 4 << bits].ljust(4 << bits, b"\0")
    info = struct.pack(
        "<IiiHHIIiiII", 40, *SIZE, 1, bits, compression, len(pixels), 2835, 2835, 1 << bits, 0
    )
    at = 14 + len(info) + len(table)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + info + table + pixels


def _rle_bmp(palette: Image.Image) -> bytes:
    """Run-length encoded, without the pixels of two colours: by deltas, and by ends of lines."""
    indices, width = palette.tobytes(), SIZE[0]
    left_out = {indices[width // 2], indices[width - 1]}
    packed = bytearray()
    for y in reversed(range(SIZE[1])):
        for x in range(0, width, PATCH_PX):
            index = indices[y * width + x]
            is_last = x + PATCH_PX == width
            if index not in left_out:
                packed += bytes((PATCH_PX, index))
            elif not is_last:
                packed += bytes((0, 2, PATCH_PX, 0))
        packed += b"\0\0"
    return _palette_bmp(palette, 8, 1, bytes(packed + b"\0\1"))


def _two_bit_bmp(palette: Image.Image) -> bytes:
    """Four colours of the chart."""
    indices = palette.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes()
    pixels = bytes(
        sum((indices[at + place] & 3) << (6 - 2 * place) for place in range(4))
        for at in range(0, len(indices), 4)
    )
    return _palette_bmp(palette, 2, 0, pixels)


def _bmps(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    yield "2 bits", _two_bit_bmp(chart.quantize(24))
    yield "run lengths, left out", _rle_bmp(chart.quantize(24))
    yield "24 bits", _encode(chart, "bmp")
    yield "palette", _encode(chart.quantize(24), "bmp")
    yield "16 bits, 565", _bmp(chart, 16, (0xF800, 0x7E0, 0x1F), 40)
    yield "16 bits, 4444", _bmp(_with_alpha(chart), 16, (0xF00, 0xF0, 0xF, 0xF000))
    yield "32 bits, RGBA", _bmp(_with_alpha(chart), 32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000))
    yield "32 bits, 10 each", _bmp(chart, 32, (0x3FF00000, 0xFFC00, 0x3FF), 40)
    yield (
        "32 bits, profile",
        _bmp(chart, 32, (0xFF0000, 0xFF00, 0xFF), 124, profile=_make_p3_profile()),
    )


def _with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    """Other numbers in the first nclx box."""
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def _avifs(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    options = {"quality": 100, "subsampling": "4:4:4"}
    plain = _encode(chart, "avif", **options)
    yield "8 bits", plain
    yield "alpha", _encode(_with_alpha(chart), "avif", **options)
    yield "profile P3", _encode(chart, "avif", icc_profile=_make_p3_profile(), **options)
    yield "nclx P3", _with_code_points(plain, _P3, _SRGB_CURVE)
    yield "nclx BT.709 curve", _with_code_points(plain, _SRGB, 1)
    yield "nclx PQ", _with_code_points(plain, _BT2020, _PQ)
    yield "nclx HLG", _with_code_points(plain, _BT2020, _HLG)
    alpha = _encode(_with_alpha(chart), "avif", **options)
    yield "alpha, nclx P3", _with_code_points(alpha, _P3, _SRGB_CURVE)
    yield "alpha, nclx PQ", _with_code_points(alpha, _BT2020, _PQ)


def _float_tiff(chart: Image.Image, order: str) -> bytes:
    """Floats of 32 bits in deflate, in little (<) or big (>) endian."""
    width, height = chart.size
    samples = [sample / 255 for sample in chart.tobytes()]
    packed = zlib.compress(struct.pack(f"{order}{len(samples)}f", *samples))
    begin, triples = 8 + 2 + 12 * 10 + 4, struct.pack(order + "6H", 32, 32, 32, 3, 3, 3)
    tags = (
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, begin), (259, 3, 1, 8), (262, 3, 1, 2),
        (273, 4, 1, begin + 12), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(packed)),
        (339, 3, 3, begin + 6),
    )  # fmt: skip
    directory = b"".join(
        struct.pack(
            order + ("HHIH2x" if kind == 3 and count == 1 else "HHII"), tag, kind, count, value
        )
        for tag, kind, count, value in tags
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, len(tags))
    return head + directory + bytes(4) + triples + packed


def _tiffs(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    yield "RGB", _encode(chart, "tiff")
    yield "LZW", _encode(chart, "tiff", compression="tiff_lzw")
    yield (
        "grey, 16 bits, big-endian",
        _encode(
            chart.convert("L").convert("I").point(lambda value: value * 257).convert("I;16B"),
            "tiff",
        ),
    )
    for order in "<>":
        yield f"floats, {order}", _float_tiff(chart, order)
    yield "CMYK", _encode(chart.convert("CMYK"), "tiff")
    yield "profile P3", _encode(chart, "tiff", icc_profile=_make_p3_profile())


def _heics(chart: Image.Image) -> Iterator[tuple[str, bytes]]:
    try:
        import pillow_heif  # optional
    except ImportError:
        return
    pillow_heif.register_heif_opener()
    options = {"quality": 100, "chroma": 444, "matrix_coefficients": 6}
    plain = _encode(chart, "heif", **options)
    yield "8 bits", plain
    yield "profile P3", _encode(chart, "heif", icc_profile=_make_p3_profile(), **options)
    yield "nclx P3", _with_code_points(plain, _P3, _SRGB_CURVE)
    yield "nclx HLG", _with_code_points(plain, _BT2020, _HLG)
    yield "nclx PQ", _with_code_points(plain, _BT2020, _PQ)
