"""The colour names that a caption may use, each with the sRGB colours that it stands for.

Without numpy, which only the child processes import: the server process needs the names alone.
"""

from dataclasses import dataclass

ANCHOR_COLOURS: dict[str, str] = {
    "black": "000000 121212 1c1c1e 14100c 0c1014 0e1510 180d0f 1f1b18 171c24 20242b",
    "dark grey": "333333 404040 4f4f4f 585858 3a3f45 474c52 4a453f 353a33",
    "grey": "6a6a6a 7c7c7c 8c8c8c 9a9a9a 6d757d 8a939b 857f77 777d74 8f8b92",
    "light grey": "adadad bdbdbd cccccc d8d8d8 b6bcc2 d2d6da c6c2bc cfcac3 d6d0d4",
    "white": "ffffff f8f8f8 f0f0f0 e9e9e9 f3f6f9 f8f6f3",
    "off-white": "faf4e6 f4edde efe6d6 f7f0dc",
    "beige": "e6d5b8 d8c4a0 ccb48e dcc3a6 e8ccb0 c9b9a0 d5b59a bfae94",
    "light brown": "b98a5e c49a6c ad8150 c08e6a b0906f a98b6d 9d8262",
    "brown": "8b5a2b 6b4423 5c3a21 7a5230 4a2f1c 9c6b43 84603f 3a2417 6a4a35 935b38 705a45",
    "navy": "0a1a40 14213d 1b2a5c 000080 22244f 1d2b64 101050 2a2d55 1c2f4a 33405f 3d4a6c"
    " 1b1f2e 12182b 0f1524 1c2233",
    "blue": "0047ff 1f5fd0 2a52be 0066cc 3070c0 1e90ff 3f7fb8 3b6ea5 0057d9 0000ff 2a4fa0 2f6fe0"
    " 3d5a92 005a9c 5a6f8c 5f7a99",
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
"""By name, sRGB in hex. Picked by eye; the names are those of a shop's colour filter."""

COLOUR_NAMES = tuple(ANCHOR_COLOURS)


@dataclass(frozen=True, slots=True)
class ColourShare:
    """A colour name, and the share of an area that it covers, 0 to 1."""

    colour: str
    share: float


SHADE_FAMILIES: tuple[frozenset[str], ...] = (
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
"""Names that one surface can have in more and in less light."""


def are_shades(one: str, other: str) -> bool:
    """Whether two names can be one surface in more and in less light."""
    return any(one in family and other in family for family in SHADE_FAMILIES)
