"""What a basic colour of a caption can look like in pixels.

Wide on purpose: light and shade move a colour, and people draw the lines between colours in other
places. A caption is doubted only where nothing looks like what it says.
"""

from app.vision.colour_names import COLOUR_NAMES

COLOUR_FAMILIES: dict[str, frozenset[str]] = {
    "black": frozenset({"black", "dark grey", "navy"}),
    "white": frozenset({"white", "off-white", "light grey", "light yellow"}),
    "grey": frozenset({"dark grey", "grey", "light grey"}),
    "red": frozenset({"red", "dark red"}),
    "orange": frozenset({"orange", "gold", "light brown"}),
    "yellow": frozenset({"yellow", "light yellow", "gold"}),
    "green": frozenset({"green", "light green", "dark green", "olive", "teal"}),
    "blue": frozenset({"navy", "blue", "light blue", "teal", "turquoise"}),
    "turquoise": frozenset({"turquoise", "teal", "light blue", "blue", "green", "light green"}),
    "purple": frozenset({"purple", "lavender"}),
    "pink": frozenset({"pink", "lavender"}),
    "brown": frozenset({"brown", "light brown", "dark red", "orange", "gold", "olive", "beige"}),
    "beige": frozenset({"beige", "off-white", "light brown", "light yellow"}),
    "gold": frozenset({"gold", "yellow", "orange", "light brown", "brown", "olive", "beige"}),
}
"""By basic colour, the names of colour_names.py that can be the same thing in ordinary light."""

NEIGHBOURS: dict[str, frozenset[str]] = {
    "black": frozenset({"grey", "brown", "dark green", "dark red", "purple", "teal", "olive"}),
    "white": frozenset({"grey", "beige", "light blue", "lavender", "light green", "pink"}),
    "grey": frozenset({"black", "white", "off-white", "beige", "navy", "light blue", "lavender",
                       "brown", "olive", "teal", "light brown"}),
    "red": frozenset({"pink", "orange", "brown", "purple"}),
    "orange": frozenset({"yellow", "red", "brown", "beige"}),
    "yellow": frozenset({"orange", "beige", "olive", "light green", "off-white", "light brown"}),
    "green": frozenset({"turquoise", "dark grey", "grey", "black", "gold", "yellow"}),
    "blue": frozenset({"lavender", "purple", "grey", "dark grey", "black", "light grey"}),
    "turquoise": frozenset({"dark green", "grey", "light grey", "navy"}),
    "purple": frozenset({"pink", "navy", "dark red", "blue", "brown", "black"}),
    "pink": frozenset({"red", "purple", "beige", "light brown", "orange", "off-white", "dark red"}),
    "brown": frozenset({"black", "dark grey", "grey", "red", "off-white"}),
    "beige": frozenset({"white", "light grey", "grey", "pink", "gold", "brown", "yellow"}),
    "gold": frozenset({"off-white", "light yellow", "grey", "dark grey"}),
}  # fmt: skip
"""What it can look like besides, in coloured light or to another person. A picture with much of
these may have the colour that is claimed."""

_UNKNOWN = set[str]().union(*COLOUR_FAMILIES.values(), *NEIGHBOURS.values()) - set(COLOUR_NAMES)
if _UNKNOWN:
    raise ValueError(f"not colour names: {sorted(_UNKNOWN)}")
