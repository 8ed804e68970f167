"""How a TIFF stores its samples (TIFF 6.0, BigTIFF): layout, compression, and what they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.imaging.geometry import Size
from app.imaging.metadata.tiff import read_tiff_tags, tiff_byte_order

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS = 266, 273, 274, 277, 278
_STRIP_BYTES, _PLANES, _PREDICTOR, _PALETTE, _TILE_WIDTH = 279, 284, 317, 320, 322
_TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES, _EXTRA_SAMPLES = 323, 324, 325, 338
_FORMAT, _PROFILE = 339, 34675
WHITE_POINT = 318
"""Two chromaticities, which are rational numbers."""
_WANTED = frozenset({
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIP_OFFSETS, _ORIENTATION,
    _SAMPLES, _ROWS, _STRIP_BYTES, _PLANES, _PREDICTOR, _PALETTE, _TILE_WIDTH, _TILE_HEIGHT,
    _TILE_OFFSETS, _TILE_BYTES, _EXTRA_SAMPLES, _FORMAT, _PROFILE, WHITE_POINT,
})  # fmt: skip

NOT_COMPRESSED = 1
_PACKBITS = 32773
_PREDICTED_COMPRESSIONS = frozenset({5, 8, 32946, 34925, 50000})
"""LZW, Deflate, Deflate as it was, LZMA, Zstandard: they know of bytes, not of pixels. Only they
have a predictor."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INDEXED, _CMYK, _CIELAB, _ICCLAB = 0, 1, 2, 3, 5, 8, 9
_COLOUR_MODELS: Mapping[int, tuple["ColourModel", int]] = {
    _WHITE_IS_ZERO: ("grey", 1), _BLACK_IS_ZERO: ("grey", 1), _RGB: ("rgb", 3),
    _INDEXED: ("palette", 1), _CMYK: ("cmyk", 4), _CIELAB: ("lab", 3), _ICCLAB: ("lab", 3),
}  # fmt: skip
_KINDS: Mapping[int, "SampleKind"] = {1: "unsigned", 2: "signed", 3: "float", 4: "unsigned"}
"""By the tag SampleFormat; 4 is not defined."""
_MAX_PLAIN_BITS = 16
"""Integers with more are counts or measurements as often as pictures."""
_SIGNED_BITS, _FLOAT_BITS = frozenset({8, 16, 32, 64}), frozenset({16, 32, 64})
_PREMULTIPLIED, _ALPHA = 1, 2
DIFFERENCES, FLOAT_BYTES = 2, 3
"""Predictors: of the numbers, and of the bytes of floats (TIFF technical note 3)."""
_MAX_EXTRA_SAMPLES = 16

ColourModel = Literal["grey", "rgb", "palette", "cmyk", "lab"]
SampleKind = Literal["unsigned", "signed", "float"]


class UnsupportedTiff(Exception):
    """A TIFF that seems to be intact, and is of a kind that is not read here."""


@dataclass(frozen=True, slots=True)
class TiffSamples:
    """Header of a TIFF whose samples can be read number by number."""

    size_px: Size
    """As stored."""
    colour_model: ColourModel
    colours: int
    """Samples of a pixel without alpha and what else there is: 1, 3 or 4."""
    samples: int
    """All samples of a pixel."""
    kind: SampleKind
    bits: int
    """Of each sample; whole bytes, unless it is unsigned."""
    order: Literal["<", ">"]
    alpha_at: int | None
    """Which sample is alpha."""
    is_premultiplied: bool
    is_white_zero: bool
    is_lab_offset: bool
    """128 is the neutral value of a and b (ICC), and not 0 (CIE)."""
    is_planar: bool
    """Each sample of a pixel is in strips or tiles of its own."""
    compression: int
    predictor: int
    has_reversed_bits: bool
    """The lowest bit of a byte comes first."""
    palette: tuple[int, ...]
    piece_px: Size
    """Of a strip or tile."""
    pieces: tuple[tuple[int, int], ...]
    """Offset and length of each, row by row, and plane by plane."""
    orientation: int
    profile: bytes | None

    @property
    def samples_in_piece(self) -> int:
        """Samples of a pixel in one strip or tile."""
        return 1 if self.is_planar else self.samples

    @property
    def row_bytes(self) -> int:
        """A row of a strip or tile, unpacked; it ends with a whole byte."""
        return (self.piece_px[0] * self.samples_in_piece * self.bits + 7) // 8

    @property
    def piece_bytes(self) -> int:
        """A strip or tile, unpacked."""
        return self.piece_px[1] * self.row_bytes

    @property
    def piece_count(self) -> int:
        """How many strips or tiles cover the image; as many again for each plane."""
        (width, height), (piece_width, piece_height) = self.size_px, self.piece_px
        return -(-width // piece_width) * -(-height // piece_height)

    @property
    def is_read_twice(self) -> bool:
        """Its lowest and highest number are wanted first: other than whole ranges mean white."""
        return self.kind != "unsigned" or self.bits > _MAX_PLAIN_BITS

    @property
    def longest_piece_bytes(self) -> int:
        """A strip or tile as it is in the file."""
        return max(length for _, length in self.pieces)

    @property
    def shown_samples(self) -> tuple[int, ...]:
        """Which samples of a pixel are seen: its colours, and then alpha."""
        alpha = () if self.alpha_at is None else (self.alpha_at,)
        return (*range(self.colours), *alpha)


def read_tiff_samples(view: memoryview) -> TiffSamples:
    """The layout of the first image.

    Raises UnsupportedTiff where it is a kind that is not read here, and ValueError or KeyError
    where the header is damaged.
    """
    tags = _Tags(read_tiff_tags(view, _WANTED))
    size_px = tags.number(_WIDTH), tags.number(_HEIGHT)
    if min(size_px) < 1:
        raise ValueError("no pixels")
    is_planar = tags.number(_PLANES, 1) == 2
    samples = tags.number(_SAMPLES, 1)
    piece_px, pieces = _find_pieces(tags, size_px, len(view), samples if is_planar else 1)
    photometric, compression = tags.number(_PHOTOMETRIC, -1), tags.number(_COMPRESSION, 1)
    model, colours = _find_colour_model(photometric, samples)
    kind, bits = _find_sample_kind(tags, model)
    if compression not in _PREDICTED_COMPRESSIONS | {_PACKBITS, NOT_COMPRESSED}:
        raise UnsupportedTiff(f"compression {compression}")
    predictor = tags.number(_PREDICTOR, 1) if compression in _PREDICTED_COMPRESSIONS else 1
    if predictor not in (1, DIFFERENCES, FLOAT_BYTES) or (predictor != 1 and bits % 8):
        raise UnsupportedTiff(f"predictor {predictor} for {bits} bits")
    alpha_at, is_premultiplied = _find_alpha(tags, colours, samples)
    orientation = tags.number(_ORIENTATION, 1)
    return TiffSamples(
        size_px=size_px,
        colour_model=model,
        colours=colours,
        samples=samples,
        kind=kind,
        bits=bits,
        order=tiff_byte_order(view),
        alpha_at=alpha_at,
        is_premultiplied=is_premultiplied,
        is_white_zero=photometric == _WHITE_IS_ZERO,
        is_lab_offset=photometric == _ICCLAB,
        is_planar=is_planar,
        compression=compression,
        predictor=predictor,
        has_reversed_bits=tags.number(_FILL_ORDER, 1) == 2,
        palette=tuple(tags.numbers(_PALETTE)),
        piece_px=piece_px,
        pieces=pieces,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        profile=bytes(profile) if (profile := tags.numbers(_PROFILE)) else None,
    )


@dataclass(frozen=True, slots=True)
class _Tags:
    """The whole numbers of a directory, by tag."""

    values: Mapping[int, Sequence[int]]

    def numbers(self, tag: int) -> Sequence[int]:
        return self.values.get(tag, ())

    def number(self, tag: int, default: int | None = None) -> int:
        """The first number. Raises ValueError where there is none and no default."""
        found = self.numbers(tag)
        if found:
            return found[0]
        if default is None:
            raise ValueError(f"tag {tag} is missing")
        return default


def _find_pieces(
    tags: _Tags, size_px: Size, file_bytes: int, planes: int
) -> tuple[Size, tuple[tuple[int, int], ...]]:
    width, height = size_px
    if tags.numbers(_TILE_OFFSETS):
        piece_px = tags.number(_TILE_WIDTH), tags.number(_TILE_HEIGHT)
        offsets, lengths = tags.numbers(_TILE_OFFSETS), tags.numbers(_TILE_BYTES)
    else:
        piece_px = width, min(height, tags.number(_ROWS, height))
        offsets, lengths = tags.numbers(_STRIP_OFFSETS), tags.numbers(_STRIP_BYTES)
    if min(piece_px) < 1 or max(piece_px) > 2 * max(width, height, 1024):
        raise ValueError("strips or tiles without a size")
    if len(offsets) == 1 and not lengths:  # old programs left it out
        lengths = (max(0, file_bytes - offsets[0]),)
    pieces = tuple(zip(offsets, lengths, strict=True))
    if len(pieces) < -(-width // piece_px[0]) * -(-height // piece_px[1]) * planes:
        raise ValueError("strips or tiles are missing")
    if any(offset >= file_bytes for offset, _ in pieces):
        raise ValueError("a strip or tile is outside the file")
    return piece_px, pieces


def _find_colour_model(photometric: int, samples: int) -> tuple[ColourModel, int]:
    found = _COLOUR_MODELS.get(photometric)
    if found is None:
        raise UnsupportedTiff(f"colours of kind {photometric}")
    model, colours = found
    if not colours <= samples <= colours + _MAX_EXTRA_SAMPLES:
        raise UnsupportedTiff(f"{samples} samples for {model}")
    return model, colours


def _find_sample_kind(tags: _Tags, model: ColourModel) -> tuple[SampleKind, int]:
    bits = set(tags.numbers(_BITS) or (1,))
    formats = set(tags.numbers(_FORMAT) or (1,))
    if model == "lab":
        formats = {1}  # a and b are signed, which programs state or not
    kind = _KINDS.get(formats.pop()) if len(formats) == len(bits) == 1 else None
    if kind is None:
        raise UnsupportedTiff("samples of several kinds")
    depth = bits.pop()
    if kind == "unsigned":
        is_known = 1 <= depth <= 16 or depth in _SIGNED_BITS
    else:
        is_known = depth in (_SIGNED_BITS if kind == "signed" else _FLOAT_BITS)
    if model in ("lab", "palette"):
        is_known = kind == "unsigned" and depth in ((8, 16) if model == "lab" else range(1, 9))
    if not is_known:
        raise UnsupportedTiff(f"{kind} samples of {depth} bits for {model}")
    return kind, depth


def _find_alpha(tags: _Tags, colours: int, samples: int) -> tuple[int | None, bool]:
    """Which sample is alpha, and whether the colours are multiplied by it (TIFF 6.0, 18)."""
    extra = tags.numbers(_EXTRA_SAMPLES)[: samples - colours]
    for number, meaning in enumerate(extra):
        if meaning in (_PREMULTIPLIED, _ALPHA):
            return colours + number, meaning == _PREMULTIPLIED
    # Some programs do not say what the fourth sample is (as Pillow has it for 8 bits).
    return (3, False) if not extra and (colours, samples) == (3, 4) else (None, False)
