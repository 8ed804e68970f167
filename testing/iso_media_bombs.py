"""AVIF files under 1 MiB that cost far more than their pixels: noise, items, tiles, extents."""

import io
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class _Picture:
    """A small picture as an encoder wrote it, to be put into other files."""

    size: tuple[int, int]
    config: bytes
    """Its av1C box."""
    data: bytes


def avifs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of every file."""
    yield "noise.avif", noise_avif((560, 420))
    picture = _encode((64, 64))
    yield "items.avif", _single(picture, more_items=25_000)
    yield "references.avif", _single(picture, references=60_000)
    yield "properties.avif", _single(picture, properties=60_000)
    yield "extents.avif", _single(picture, extents=60_000)
    yield "grid.avif", grid_avif(picture, 20, 20)
    yield "boxes.avif", _single(picture, boxes=50_000)
    yield "boxes-deep.avif", _single(picture, depth=20_000)
    yield "exif-tags.avif", _exif_avif()
    frames = [Image.new("L", (16, 16), number % 256) for number in range(600)]
    out = io.BytesIO()
    frames[0].save(out, "AVIF", save_all=True, append_images=frames[1:], duration=20, speed=10)
    yield "frames.avif", out.getvalue()


def noise_avif(size: tuple[int, int], quality: int = 100) -> bytes:
    """An AVIF that says as much as it can in every block."""
    noise = Image.frombytes("RGB", size, random.Random(11).randbytes(size[0] * size[1] * 3))
    return _saved(noise, quality=quality, subsampling="4:4:4", speed=10)


def grid_avif(picture: _Picture, columns: int, rows: int) -> bytes:
    """A picture of many tiles, each of which is the same coded picture."""
    width, height = picture.size
    tiles = columns * rows
    grid = bytes((0, 0, rows - 1, columns - 1)) + struct.pack(">HH", columns * width, rows * height)
    items = [(1, b"grid", [(0, len(grid))])]
    items += [(number, b"av01", [(len(grid), len(picture.data))]) for number in range(2, tiles + 2)]
    references = _box(b"dimg", struct.pack(f">HH{tiles}H", 1, tiles, *range(2, tiles + 2)))
    properties = [
        _size_property((columns * width, rows * height)), _size_property(picture.size),
        picture.config, _PIXEL_PROPERTY,
    ]  # fmt: skip
    associations = [(1, (1, 4))] + [(number, (2, 0x83, 4)) for number in range(2, tiles + 2)]
    return _file(items, grid + picture.data, references, properties, associations)


def _single(
    picture: _Picture,
    *,
    more_items: int = 0,
    references: int = 0,
    properties: int = 0,
    extents: int = 1,
    boxes: int = 0,
    depth: int = 0,
) -> bytes:
    """One picture, with a structure around it that nothing needs."""
    data = picture.data.ljust(300_000 if extents > 1 else 0, b"\0")
    items = [(1, b"av01", [(0, len(data))] * extents)]
    items += [(number, b"Exif", [(0, 1)]) for number in range(2, more_items + 2)]
    refs = b"".join(
        _box(b"cdsc", struct.pack(">HHH", 2 + number % 60_000, 1, 1))
        for number in range(references)
    )
    every = [_size_property(picture.size), picture.config, _PIXEL_PROPERTY]
    every += [_box(b"free", b"")] * properties
    more = _box(b"free", b"") * boxes
    if depth:
        more = b"".join(struct.pack(">I4s", 8 * (depth - at), b"meta") for at in range(depth))
    return _file(items, data, refs, every, [(1, (1, 0x82, 3))], more)


def _file(
    items: list[tuple[int, bytes, list[tuple[int, int]]]],
    data: bytes,
    references: bytes,
    properties: list[bytes],
    associations: Sequence[tuple[int, tuple[int, ...]]],
    more: bytes = b"",
) -> bytes:
    """An AVIF of these items: number, type, and the parts of `data` that it consists of."""
    start = _box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")

    def meta(data_at: int) -> bytes:
        places = b"".join(
            struct.pack(">HHH", number, 0, len(extents))
            + b"".join(struct.pack(">II", data_at + at, length) for at, length in extents)
            for number, _, extents in items
        )
        infos = b"".join(
            _full_box(b"infe", struct.pack(">HH4s", number, 0, kind) + b"\0", version=2)
            for number, kind, _ in items
        )
        links = b"".join(
            struct.pack(">HB", number, len(indices)) + bytes(indices)
            for number, indices in associations
        )
        associated = _full_box(b"ipma", struct.pack(">I", len(associations)) + links)
        return _full_box(
            b"meta",
            _full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + _full_box(b"pitm", struct.pack(">H", 1))
            + _full_box(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
            + _full_box(b"iinf", struct.pack(">H", len(items)) + infos)
            + (_full_box(b"iref", references) if references else b"")
            + _box(b"iprp", _box(b"ipco", b"".join(properties)) + associated)
            + more,
        )

    data_at = len(start) + len(meta(0)) + 8
    return start + meta(data_at) + _box(b"mdat", data)


def _exif_avif() -> bytes:
    count = 65_000
    entries = b"".join(struct.pack("<HHII", 400 + number, 1, 1, 0) for number in range(count))
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4)
    return _saved(Image.linear_gradient("L").resize((64, 64)), exif=exif, speed=10)


def _encode(size: tuple[int, int]) -> _Picture:
    whole = _saved(Image.linear_gradient("L").resize(size).convert("RGB"), quality=60, speed=10)
    at = whole.index(b"av1C") - 4
    config = whole[at : at + int.from_bytes(whole[at : at + 4], "big")]
    return _Picture(size, config, whole[whole.index(b"mdat") + 4 :])


def _saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "AVIF", max_threads=1, **options)
    return out.getvalue()


def _size_property(size: tuple[int, int]) -> bytes:
    return _full_box(b"ispe", struct.pack(">II", *size))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes((version, 0, 0, 0)) + body)


_PIXEL_PROPERTY = _full_box(b"pixi", b"\3\x08\x08\x08")
