"""Colour names that a shopper would use, found in a perceptual space.

Distances are taken in OKLab (Björn Ottosson, 2020, https://bottosson.github.io/posts/oklab/):
there, equal steps look about equal. Every name stands for several hand-picked anchors, because a
"blue" is blue over a wide range of lightness while "navy" is not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""Height x width x 3, OKLab: lightness 0..1, then green-red and blue-yellow, about -0.3..0.3."""

ANCHORS: dict[str, str] = {
    "black": "000000 121212 1c1c1e 14100c 0c1014 0e1510 180d0f 1f1b18 171c24",
    "dark grey": "333333 404040 4f4f4f 585858 3a3f45 474c52 4a453f 353a33",
    "grey": "6a6a6a 7c7c7c 8c8c8c 9a9a9a 6d757d 8a939b 857f77 777d74 8f8b92",
    "light grey": "adadad bdbdbd cccccc d8d8d8 b6bcc2 d2d6da c6c2bc cfcac3 d6d0d4",
    "white": "ffffff f8f8f8 f0f0f0 e9e9e9 f3f6f9 f8f6f3",
    "off-white": "faf4e6 f4edde efe6d6 f7f0dc",
    "beige": "e6d5b8 d8c4a0 ccb48e dcc3a6 e8ccb0 c9b9a0 d5b59a bfae94",
    "light brown": "b98a5e c49a6c ad8150 c08e6a b0906f a98b6d 9d8262",
    "brown": "8b5a2b 6b4423 5c3a21 7a5230 4a2f1c 9c6b43 84603f 3a2417 6a4a35 935b38 705a45",
    "navy": "0a1a40 14213d 1b2a5c 000080 22244f 1d2b64 101050 2a2d55 1c2f4a",
    "blue": "0047ff 1f5fd0 2a52be 0066cc 3070c0 1e90ff 3f7fb8 3b6ea5 0057d9 0000ff 2a4fa0 2f6fe0"
    " 3d5a92 005a9c",
    "light blue": "87ceeb a8d0f0 add8e6 6fb1e8 c5dff2 8fb8de 9dbcd4 b9d4e6 d8ebf7 7fa9d0",
    "teal": "008080 0f6e70 2f8888 1d5e63 0a4f55 3c7a7e 126e82",
    "turquoise": "40e0d0 30c8c8 00ced1 5fd6c9 00ffff 8fe3da 1fb5b5 4fc4c4",
    "green": "1f9d3a 2e9e45 4caf50 00a000 00ff00 5fae4f 66bb33 2f7d3a 4a8a3c 7cc142 3f9142 00b16a",
    "light green": "9be29b b8e6b0 c8f0c0 d4f5cc 98d98e b5dba0 ccffcc",
    "dark green": "0b3d1c 14532d 1e4d2b 006400 2c4a2e 26402a 1d3b22",
    "olive": "6b6b2a 808000 7a7a3a 55552a 8a8a4a 5d6b2f 75803a",
    "yellow": "ffeb00 fdd835 ffff00 fff04a f7e03c ffcc00 f2d21f ffe066",
    "light yellow": "fff6b0 fff9c4 fdf2a8",
    "gold": "c9a227 d4af37 b8902a bf9b30 a88424",
    "orange": "ff8c00 f57c00 ff6d00 ffa726 e8751a d9661f ffa500 e65c1a f08a3c ff6a2b dc9350 d08a45",
    "red": "e02020 ff0000 d32f2f c8102e e53935 b71c1c f04040 c23b32 ff4a3a",
    "dark red": "7a1420 8b0000 6d1a1a 5c0f14 7f2a26 4f1216 8c2a20",
    "pink": "ff69b4 f8a5c2 ffc0cb e91e63 f48fb1 e8a0b0 ff00ff ff2fa0 fbb6b6 d98a97 f3d3da fa9a90"
    " fce0e4",
    "purple": "800080 6a1b9a 7b3fa0 9c27b0 4b1d78 5e35b1 6f4a8e 4a2a5a 8a2be2 b04fc8 7a3f72",
    "lavender": "b39ddb c8b6e2 d1c4e9 e0d7f2 a894cc bba6d0",
}
"""sRGB in hex, by name. Picked by eye; the names are those of a shop's colour filter."""

NAMES = tuple(ANCHORS)

FAMILIES: tuple[frozenset[str], ...] = (
    frozenset({"navy", "blue", "light blue"}),
    frozenset({"green", "dark green", "light green"}),
    frozenset({"red", "dark red"}),
    frozenset({"black", "dark grey"}),
    frozenset({"dark grey", "grey"}),
    frozenset({"grey", "light grey"}),
    frozenset({"light grey", "white"}),
    frozenset({"white", "off-white"}),
    frozenset({"off-white", "beige"}),
    frozenset({"beige", "light brown"}),
    frozenset({"light brown", "brown"}),
    frozenset({"yellow", "light yellow"}),
    frozenset({"yellow", "gold"}),
    frozenset({"orange", "gold"}),
    frozenset({"teal", "turquoise"}),
    frozenset({"purple", "lavender"}),
    frozenset({"green", "olive"}),
    frozenset({"orange", "brown"}),
    frozenset({"orange", "light brown"}),
    frozenset({"black", "navy"}),
)
"""Names that light and shade turn into one another on a single surface."""

ACHROMATIC = frozenset({"black", "dark grey", "grey", "light grey", "white"})

GREYS_ONLY = 0.018
"""OKLab chroma below which a colour reads as grey. JPEG's chroma rounding stays under 0.012."""

# Hue tells names apart better than lightness does: "blue" in the shade is still called blue.
_WEIGHTS = np.array([0.8, 1.5, 1.5], dtype=np.float32)

_SLICE = 4096


@dataclass(frozen=True, slots=True)
class Share:
    """A colour name and the part of the area that it covers, 0..1."""

    colour: str
    share: float


def to_oklab(rgb: NDArray[np.uint8]) -> Pixels:
    """sRGB bytes (... x 3) as OKLab (... x 3)."""
    steps = np.arange(256, dtype=np.float32) / 255
    linear = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    lms = linear.astype(np.float32)[rgb] @ _RGB_TO_LMS.T
    lab: Pixels = np.cbrt(lms) @ _LMS_TO_LAB.T
    return lab


# Both matrices are those of Ottosson's page.
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)


def _anchor_table() -> tuple[Pixels, NDArray[np.intp]]:
    spelled = [(name, hex6) for name, line in ANCHORS.items() for hex6 in line.split()]
    rgb = np.array([list(bytes.fromhex(hex6)) for _, hex6 in spelled], dtype=np.uint8)
    owners = np.array([NAMES.index(name) for name, _ in spelled], dtype=np.intp)
    return to_oklab(rgb) * _WEIGHTS, owners


_TABLE, _OWNERS = _anchor_table()


def name_indices(lab: Pixels) -> NDArray[np.intp]:
    """For each pixel the index in NAMES of its nearest anchor's name."""
    weighted = (lab * _WEIGHTS).reshape(-1, 3)
    nearest = np.empty(len(weighted), dtype=np.intp)
    # argmin |x - a|^2 is argmax (x.a - |a|^2 / 2): one matrix product instead of a cube, in
    # slices, because a picture's whole score table would be 20 MB.
    half = (_TABLE**2).sum(axis=1) / 2
    for start in range(0, len(weighted), _SLICE):
        score = weighted[start : start + _SLICE] @ _TABLE.T - half
        nearest[start : start + _SLICE] = score.argmax(axis=1)
    return _OWNERS[nearest].reshape(lab.shape[:-1])


def name_of(lab: Pixels) -> str:
    """The name of one colour (3 values)."""
    return NAMES[int(name_indices(lab[None, :])[0])]


def shares(indices: NDArray[np.intp], least: float = 0.07, most: int = 4) -> tuple[Share, ...]:
    """The colours of an area, largest first, shades of one surface folded into the larger.

    A name under `least` of the area is left out; beside greys alone, half of it is enough for a
    colour, because there it catches the eye. A shade is folded where its neighbour in FAMILIES
    covers clearly more (half as much again) or where both are minor: else both are worth saying.
    """
    if indices.size == 0:
        return ()
    counts = np.bincount(indices.ravel(), minlength=len(NAMES)) / indices.size
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i] > 0]
    kept: dict[str, float] = {}
    for index in order:
        name, share = NAMES[index], float(counts[index])
        lead = next(
            (k for k in kept if is_shade(k, name) and (kept[k] > 1.5 * share or kept[k] < 0.25)),
            None,
        )
        if lead is not None:
            kept[lead] += share
        else:
            kept[name] = share
    ranked = sorted(kept.items(), key=lambda item: -item[1])
    needed = [least if name in ACHROMATIC else least / 2 for name, _ in ranked]
    if any(name not in ACHROMATIC for name, share in ranked if share >= least):
        needed = [least] * len(ranked)
    named = (pair for pair, floor in zip(ranked, needed, strict=True) if pair[1] >= floor)
    return tuple(Share(name, round(share, 3)) for name, share in named)[:most]


def is_shade(one: str, other: str) -> bool:
    """Whether two names may be one surface in more and in less light."""
    return any(one in family and other in family for family in FAMILIES)
