"""TIFF with samples of any depth and kind, in both byte orders and every layout."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

SIDE = 20
COLOUR, GREY = (200, 100, 50), (120,)
DEFLATE, PACKBITS = 8, 32773
COMPRESSIONS = {
    5: "tiff_lzw", DEFLATE: "tiff_adobe_deflate", PACKBITS: "packbits", 34925: "lzma",
    50000: "zstd",
}  # fmt: skip


def pack(samples, order, predictor):
    """The bytes of a strip (rows, columns, samples), as the predictor leaves them."""
    rows, _, count = samples.shape
    if predictor == 3:
        big = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(">")))
        planes = big.view(np.uint8).reshape(rows, -1, samples.itemsize).transpose(0, 2, 1)
        steps = planes.reshape(rows, -1, count).copy()
        steps[:, 1:] -= steps[:, :-1].copy()
        return steps.tobytes()
    if predictor == 2:
        whole = samples.view(f"u{samples.itemsize}").copy()
        whole[:, 1:] -= whole[:, :-1].copy()
        samples = whole.view(samples.dtype)
    return samples.astype(samples.dtype.newbyteorder(order)).tobytes()


def compress(data, compression):
    """As libtiff compresses one strip of bytes."""
    if compression == 1:
        return data
    file = io.BytesIO()
    Image.frombytes("L", (len(data), 1), data).save(
        file, "tiff", compression=COMPRESSIONS[compression]
    )
    tags = Image.open(io.BytesIO(file.getvalue())).tag_v2
    return file.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]]


def make(
    samples,
    order="<",
    photometric=2,
    compression=1,
    predictor=1,
    rows=SIDE,
    tile=None,
    extra=(),
    planar=False,
    big=False,
    **changed,
):
    """A TIFF of these samples in strips of `rows` or in tiles of `tile`."""
    height, width, count = samples.shape
    piece_width, piece_height = tile or (width, rows)
    pieces = []
    planes = [samples[..., at : at + 1] for at in range(count)] if planar else [samples]
    places = [
        (plane, upper, left)
        for plane in planes
        for upper in range(0, height, piece_height)
        for left in range(0, width, piece_width)
    ]
    for plane, upper, left in places:
        piece = plane[upper : upper + piece_height, left : left + piece_width]
        if tile:
            full = np.zeros((piece_height, piece_width, piece.shape[2]), samples.dtype)
            full[: piece.shape[0], : piece.shape[1]] = piece
            piece = full
        packed = pack(np.ascontiguousarray(piece), order, predictor)
        pieces.append(compress(packed, compression))
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [samples.itemsize * 8] * count),
        259: (3, [compression]), 262: (3, [photometric]), 277: (3, [count]),
        284: (3, [1 + planar]),
        317: (3, [predictor]), 339: (3, [kind] * count),
    }  # fmt: skip
    places, lengths = (324, 325) if tile else (273, 279)
    tags |= {places: (4, [0] * len(pieces)), lengths: (4, [len(piece) for piece in pieces])}
    tags |= {322: (4, [tile[0]]), 323: (4, [tile[1]])} if tile else {278: (4, [rows])}
    tags |= {338: (3, list(extra))} if extra else {}
    tags |= {int(tag[1:]): value for tag, value in changed.items()}
    return assemble(tags, pieces, places, order, big=big)


def assemble(tags, pieces, places, order, *, big=False):
    formats = {3: "H", 4: "I", 5: "I", 7: "B"}
    inline, pointer = (8, "Q") if big else (4, "I")
    begin = 16 + 8 + 20 * len(tags) + 8 if big else 8 + 2 + 12 * len(tags) + 4
    sizes = {tag: struct.calcsize(formats[kind]) * len(vs) for tag, (kind, vs) in tags.items()}
    at = begin + sum(size + size % 2 for size in sizes.values() if size > inline)
    if not any(tags[places][1]):
        offsets = []
        for piece in pieces:
            offsets.append(at)
            at += len(piece)
        tags[places] = (4, offsets)
    directory, tail = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        body = struct.pack(f"{order}{len(values)}{formats[kind]}", *values)
        if len(body) > inline:
            place = struct.pack(order + pointer, begin + len(tail))
            tail += body + b"\0" * (len(body) % 2)
            body = place
        count = len(values) // 2 if kind == 5 else len(values)
        entry = struct.pack(order + "HH" + pointer, tag, kind, count)
        directory += entry + body.ljust(inline, b"\0")
    head = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    mark = b"II" if order == "<" else b"MM"
    return mark + head + count + directory + bytes(inline) + tail + b"".join(pieces)


def filled(levels, dtype, size=(SIDE, SIDE)):
    """Samples of one colour, from levels of 255."""
    top = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    values = np.array([level / 255 * top for level in levels])
    return np.broadcast_to(values, (*size, len(levels))).astype(dtype)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("levels", "dtype", "options"),
    [
        (COLOUR, "f2", {}), (COLOUR, "f4", {}), (COLOUR, "f8", {}), (COLOUR, "u4", {}),
        (COLOUR, "u2", {}), (GREY, "f2", {}), (GREY, "f4", {}), (GREY, "f8", {}), (GREY, "u2", {}),
        (COLOUR, "f2", {"predictor": 3}), (COLOUR, "f4", {"predictor": 3}),
        (COLOUR, "u4", {"predictor": 2}), (COLOUR, "u2", {"predictor": 2}),
        (GREY, "f4", {"predictor": 3}), (GREY, "f2", {"predictor": 3}),
        (GREY, "u2", {"predictor": 2}),
        (GREY, "f4", {"compression": DEFLATE}), (COLOUR, "f4", {"compression": DEFLATE, "rows": 3}),
        (COLOUR, "f4", {"tile": (16, 16)}), (COLOUR, "f2", {"tile": (16, 16), "predictor": 3}),
    ],
)  # fmt: skip
def test_deep_samples_are_shown_in_both_byte_orders(order, levels, dtype, options):
    if options.get("predictor"):
        options = {"compression": DEFLATE, **options}
    data = make(filled(levels, dtype), order, 2 if len(levels) == 3 else 1, **options)
    expected = levels if len(levels) == 3 else levels * 3
    for at in ((0.2, 0.2), (0.9, 0.9)):
        assert is_close(normalised_colour(data, "tiff", at), expected)


@pytest.mark.parametrize("order", "<>")
def test_alpha_and_inverted_grey_of_deep_samples(order):
    """Alpha that is multiplied in, or not; what is no alpha is left out."""
    half = filled((*COLOUR, 128), "f4")
    for extra, expected in [(2, (227, 177, 152)), (0, COLOUR)]:
        assert is_close(normalised_colour(make(half, order, extra=[extra]), "tiff"), expected)
    multiplied = filled((100, 50, 25, 128), "f4")
    assert is_close(normalised_colour(make(multiplied, order, extra=[1]), "tiff"), (227, 177, 152))
    grey = filled((120, 128), "u2")
    found = normalised_colour(make(grey, order, 1, extra=[2]), "tiff")
    assert is_close(found, (187, 187, 187))
    inverted = normalised_colour(make(filled((135,), "u2"), order, 0), "tiff")
    assert is_close(inverted, GREY * 3)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("dtype", "predictor"), [("f4", 1), ("f4", 3), ("u4", 2), ("u1", 2)])
def test_every_compression_of_bytes_is_read(compression, dtype, predictor):
    """With predictors, in pixels and in planes, in strips and tiles, in both byte orders."""
    samples = filled(COLOUR, dtype)
    if compression == PACKBITS:
        predictor = 1
    for order, options in (("<", {"planar": True}), (">", {}), (">", {"tile": (16, 16)})):
        data = make(
            samples, order, compression=compression, predictor=predictor, **options, big=True
        )
        assert is_close(normalised_colour(data, "tiff", (0.9, 0.9)), COLOUR)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_planes_are_not_taken_for_pixels(order, big):
    """Also of grey with alpha in 8 bits, and of what is neither colour nor alpha."""
    for dtype in ("u1", "u2", "f4"):
        grey = make(filled((120, 128), dtype), order, 1, extra=[2], planar=True, big=big)
        assert is_close(normalised_colour(grey, "tiff"), (187, 187, 187))
        colour = make(filled((*COLOUR, 9, 128), dtype), order, extra=[0, 2], planar=True, big=big)
        assert is_close(normalised_colour(colour, "tiff"), (227, 177, 152))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 10, 12, 14, 15])
def test_samples_that_are_no_whole_bytes_are_read(bits):
    """As scanners and cameras write them: the highest bit first, rows ending with a byte."""
    top = 2**bits - 1
    levels = [round(level / 255 * top) for level in COLOUR]
    row = "".join(f"{level:0{bits}b}" for level in levels * SIDE)
    packed = int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big")
    tags = {
        256: (4, [SIDE]), 257: (4, [SIDE]), 258: (3, [bits] * 3), 259: (3, [1]), 262: (3, [2]),
        273: (4, [0]), 277: (3, [3]), 278: (4, [SIDE]), 279: (4, [len(packed) * SIDE]),
    }  # fmt: skip
    expected = [round(level / top * 255) for level in levels]
    for order in "<>":
        data = assemble(dict(tags), [packed * SIDE], 273, order)
        assert is_close(normalised_colour(data, "tiff"), expected)
    reversed_bits = bytes(int(f"{byte:08b}"[::-1], 2) for byte in packed)
    data = assemble(tags | {266: (3, [2])}, [reversed_bits * SIDE], 273, "<")
    assert is_close(normalised_colour(data, "tiff"), expected)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [False, True])
def test_inks_and_lab_of_16_bits(order, planar):
    """With alpha too, which Pillow has no mode for."""
    inks = make(filled((0, 128, 255, 0), "u2"), order, 5, planar=planar)
    reference = image_files.encode(Image.new("CMYK", (SIDE, SIDE), (0, 128, 255, 0)), "tiff")
    expected = normalised_colour(reference, "tiff")
    assert is_close(normalised_colour(inks, "tiff"), expected)
    faint = make(filled((0, 128, 255, 0, 0), "u2"), order, 5, planar=planar, extra=[2])
    assert is_close(normalised_colour(faint, "tiff"), (255, 255, 255))
    lab = filled((0, 0, 0), "u2").copy()
    lab[...] = 65_535 * 54 // 100, 81 * 256, 70 * 256
    assert is_close(normalised_colour(make(lab, order, 8, planar=planar), "tiff"), (255, 0, 0), 8)
    lab[...] = 65_280 * 54 // 100, (128 + 81) * 256, (128 + 70) * 256
    assert is_close(normalised_colour(make(lab, order, 9, planar=planar), "tiff"), (255, 0, 0), 8)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_lab_may_mean_the_white_of_a_screen(order, dtype):
    """As ImageMagick writes it, with the tag WhitePoint. L, a and b of sRGB's blue at D65."""
    white = (5, [3127, 10_000, 3290, 10_000])
    top, unit = (255, 1) if dtype == "u1" else (65_535, 256)
    lab = np.zeros((SIDE, SIDE, 3), dtype)
    lab[...] = 32.3 * top / 100, 79 * unit, (256 - 108) * unit
    assert is_close(normalised_colour(make(lab, order, 8, t318=white), "tiff"), (0, 0, 255), 8)
    assert not is_close(normalised_colour(make(lab, order, 8), "tiff"), (0, 0, 255), 40)
    nonsense = (5, [3127, 0, 3290, 10_000])
    normalise(make(lab, order, 8, t318=nonsense), "tiff")


def test_a_palette_in_a_big_endian_bigtiff():
    colours = [level * 257 for band in COLOUR for level in (0, band)]
    data = make(filled((0,), "u1") + 1, ">", 3, big=True, t320=(3, colours + [0] * 6))
    wrong_size = make(filled((0,), "u1") + 9, ">", 3, big=True, t320=(3, colours))
    assert is_close(normalised_colour(data, "tiff"), (0, 0, 0)) is False
    with contextlib.suppress(JobRefused):
        normalise(wrong_size, "tiff")


@pytest.mark.parametrize(
    ("values", "dtype", "photometric", "shown"),
    [
        ((0, 16_383, 32_767), "i2", 1, (0, 127, 255)),
        ((-1000, 0, 1000), "i2", 1, (0, 127, 255)),
        ((0, 63, 127), "i1", 1, (0, 126, 255)),
        ((0, 2**31, 2**32 - 1), "u4", 1, (0, 128, 255)),
        ((0, 500, 1000), "u4", 1, (0, 128, 255)),
        ((0, 100, 255), "u4", 1, (0, 100, 255)),
        ((0, 2**62, 2**63 - 1), "i8", 1, (0, 128, 255)),
        ((0.0, 0.25, 1.0), "f4", 0, (255, 191, 0)),
        ((-500.0, 0.0, 2000.0), "f4", 1, (0, 51, 255)),
    ],
)
def test_numbers_become_what_viewers_show(values, dtype, photometric, shown):
    """Pictures fill the range of their type. Measurements are stretched, as viewers do."""
    samples = np.zeros((SIDE, 3 * SIDE, 1), dtype)
    for at, value in enumerate(values):
        samples[:, at * SIDE : (at + 1) * SIDE] = value
    for order in "<>":
        image, _ = normalise(make(samples, order, photometric), "tiff")
        for at, level in enumerate(shown):
            assert is_close(image.getpixel((at * SIDE + SIDE // 2, SIDE // 2)), (level,) * 3, 2)


def test_light_over_white_does_not_darken_a_picture_of_floats():
    samples = filled(COLOUR, "f4").copy()
    samples[:2, :2] = 7.5
    assert is_close(normalised_colour(make(samples), "tiff", (0.8, 0.8)), COLOUR)


@pytest.mark.parametrize(
    "changed",
    [
        {"t259": (3, [34_887])},  # LERC
        {"t259": (3, [50_002])},  # JPEG XL
        {"t262": (3, [32_803])},  # what a camera's sensor saw
        {"t339": (3, [6] * 3)},  # complex numbers
        {"t258": (3, [24] * 3)},
        {"t258": (3, [16, 16, 32])},
        {"t277": (3, [60_000])},
        {"t317": (3, [9]), "t259": (3, [5])},
    ],
)
def test_intact_files_of_rare_kinds_are_not_called_corrupt(changed):
    with pytest.raises(JobRefused) as caught:
        normalise(make(filled(COLOUR, "f4"), **changed), "tiff")
    assert caught.value.code == "unsupported_variant"


@pytest.mark.parametrize(("top", "shown"), [(1, 255), (255, 255), (65_535, 255), (1e9, 255)])
def test_floats_have_one_of_the_usual_ranges(top, shown):
    """0 to 1, to 255, to 65,535; above that the highest value is white."""
    samples = np.zeros((SIDE, SIDE, 3), "f4")
    samples[:, SIDE // 2 :] = top
    data = make(samples)
    assert is_close(normalised_colour(data, "tiff", (0.9, 0.5)), (shown,) * 3)
    assert is_close(normalised_colour(data, "tiff", (0.1, 0.5)), (0, 0, 0))


def test_the_profile_and_the_orientation_of_deep_samples_count():
    profile = image_files.make_p3_profile()
    data = make(filled(COLOUR, "f4", (SIDE, 2 * SIDE)), t34675=(7, list(profile)), t274=(3, [6]))
    image, facts = normalise(data, "tiff")
    assert (facts["width"], facts["height"]) == (SIDE, 2 * SIDE)
    assert is_close(image.getpixel((5, 5)), (216, 93, 24))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    samples = filled(COLOUR, "f4").copy()
    samples[3, 3, 1] = value
    with pytest.raises(JobRefused, match="unsupported_variant"):
        normalise(make(samples), "tiff")


def test_negative_values_are_black():
    assert is_close(normalised_colour(make(np.full((SIDE, SIDE, 3), -5, "f4")), "tiff"), (0, 0, 0))


@pytest.mark.parametrize(
    "changed",
    [
        {"t273": (4, [2**32 - 1])},
        {"t279": (4, [3])},
        {"t278": (4, [0])},
        {"t256": (4, [0])},
        {"t257": (4, [10_000])},
        {"t259": (3, [DEFLATE])},
        {"t322": (4, [2**31]), "t323": (4, [2**31]), "t324": (4, [8]), "t325": (4, [99])},
        {"t322": (4, [0]), "t323": (4, [0]), "t324": (4, [8]), "t325": (4, [99])},
    ],
)
def test_lying_tags_are_corrupt(changed):
    """Strips outside the file, too short, without rows; tiles of any size."""
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(make(filled(COLOUR, "f4"), **changed), "tiff")


def test_sizes_are_checked_before_memory_is_taken():
    data = make(filled(COLOUR, "f4"), t256=(4, [60_000]), t257=(4, [60_000]), t278=(4, [60_000]))
    with pytest.raises(JobRefused, match="too_large"):
        normalise(data, "tiff")


def test_truncated_files_end_in_an_error():
    data = make(filled(COLOUR, "f4"), ">", compression=DEFLATE, predictor=3, rows=7)
    for end in range(len(data)):
        with contextlib.suppress(JobRefused):
            normalise(data[:end], "tiff")
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(data[:-40], "tiff")


def test_a_strip_that_unpacks_to_more_is_cut():
    """No more is unpacked than the image has."""
    bomb = zlib.compress(bytes(50_000_000), 9)
    tags = {
        256: (4, [SIDE]), 257: (4, [SIDE]), 258: (3, [32] * 3), 259: (3, [DEFLATE]),
        262: (3, [2]), 273: (4, [0]), 277: (3, [3]), 278: (4, [SIDE]), 279: (4, [len(bomb)]),
        339: (3, [3] * 3),
    }  # fmt: skip
    data = assemble(tags, [bomb], 273, "<")
    assert is_close(normalised_colour(data, "tiff"), (0, 0, 0))
