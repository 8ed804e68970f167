"""TIFF with deep samples, integers and floats, in both byte orders."""

import contextlib
import struct
import zlib

import numpy as np
import pytest

from app.imaging.decoders.deep_tiff import read_deep_tiff
from app.workers.errors import JobRefused
from app.workers.handler import JobInput
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

SIDE = 20
COLOUR, GREY = (200, 100, 50), (120,)
DEFLATE = 8


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


def make(
    samples,
    order="<",
    photometric=2,
    compression=1,
    predictor=1,
    rows=SIDE,
    tile=None,
    extra=(),
    **changed,
):
    """A TIFF of these samples in strips of `rows` or in tiles of `tile`."""
    height, width, count = samples.shape
    piece_width, piece_height = tile or (width, rows)
    pieces = []
    for upper in range(0, height, piece_height):
        for left in range(0, width, piece_width):
            piece = samples[upper : upper + piece_height, left : left + piece_width]
            if tile:
                full = np.zeros((piece_height, piece_width, count), samples.dtype)
                full[: piece.shape[0], : piece.shape[1]] = piece
                piece = full
            packed = pack(np.ascontiguousarray(piece), order, predictor)
            pieces.append(zlib.compress(packed) if compression == DEFLATE else packed)
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [samples.itemsize * 8] * count),
        259: (3, [compression]), 262: (3, [photometric]), 277: (3, [count]), 284: (3, [1]),
        317: (3, [predictor]), 339: (3, [kind] * count),
    }  # fmt: skip
    places, lengths = (324, 325) if tile else (273, 279)
    tags |= {places: (4, [0] * len(pieces)), lengths: (4, [len(piece) for piece in pieces])}
    tags |= {322: (4, [tile[0]]), 323: (4, [tile[1]])} if tile else {278: (4, [rows])}
    tags |= {338: (3, list(extra))} if extra else {}
    tags |= {int(tag[1:]): value for tag, value in changed.items()}
    return assemble(tags, pieces, places, order)


def assemble(tags, pieces, places, order):
    formats = {3: "H", 4: "I", 7: "B"}
    begin = 8 + 2 + 12 * len(tags) + 4
    sizes = {tag: struct.calcsize(formats[kind]) * len(vs) for tag, (kind, vs) in tags.items()}
    at = begin + sum(size + size % 2 for size in sizes.values() if size > 4)
    if not any(tags[places][1]):
        offsets = []
        for piece in pieces:
            offsets.append(at)
            at += len(piece)
        tags[places] = (4, offsets)
    directory, tail = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        body = struct.pack(f"{order}{len(values)}{formats[kind]}", *values)
        if len(body) > 4:
            place = struct.pack(order + "I", begin + len(tail))
            tail += body + b"\0" * (len(body) % 2)
            body = place
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + body.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    count = struct.pack(order + "H", len(tags))
    return head + count + directory + bytes(4) + tail + b"".join(pieces)


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
    with pytest.raises(JobRefused, match="unsupported"):
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
        {"t277": (3, [60_000])},
        {"t317": (3, [9])},
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
    assert read_deep_tiff(JobInput(b"II+\0" + bytes(20))) is None


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
