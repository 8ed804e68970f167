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

SIMILAR: dict[str, frozenset[str]] = {
    "black": frozenset({"dark green", "dark red"}),
    "white": frozenset({"beige"}),
    "grey": frozenset({"white", "black"}),
    "red": frozenset({"orange"}),
    "orange": frozenset({"red", "yellow"}),
    "yellow": frozenset({"orange"}),
    "green": frozenset({"turquoise"}),
    "blue": frozenset({"lavender"}),
    "turquoise": frozenset({"dark green"}),
    "purple": frozenset({"pink", "navy"}),
    "pink": frozenset({"purple", "red"}),
    "brown": frozenset({"red"}),
    "beige": frozenset({"light grey", "gold"}),
    "gold": frozenset({"light yellow"}),
}
"""Names beside a family, which another person would give it in a drawing as well."""

NEIGHBOURS: dict[str, frozenset[str]] = {
    "black": frozenset({"grey", "brown", "purple", "teal", "olive"}),
    "white": frozenset({"grey", "light blue", "lavender", "light green", "pink"}),
    "grey": frozenset({"off-white", "beige", "navy", "light blue", "lavender", "brown", "olive",
                       "teal", "light brown"}),
    "red": frozenset({"pink", "brown", "purple"}),
    "orange": frozenset({"brown", "beige"}),
    "yellow": frozenset({"beige", "olive", "light green", "off-white", "light brown"}),
    "green": frozenset({"dark grey", "grey", "black", "gold", "yellow"}),
    "blue": frozenset({"purple", "grey", "dark grey", "black", "light grey"}),
    "turquoise": frozenset({"grey", "light grey", "navy"}),
    "purple": frozenset({"dark red", "blue", "brown", "black"}),
    "pink": frozenset({"beige", "light brown", "orange", "off-white", "dark red"}),
    "brown": frozenset({"black", "dark grey", "grey", "off-white"}),
    "beige": frozenset({"white", "grey", "pink", "brown", "yellow"}),
    "gold": frozenset({"off-white", "grey", "dark grey"}),
}  # fmt: skip
"""What it can look like besides in a photograph: in shade, in coloured light, in reflections."""

_UNKNOWN = set[str]().union(
    *COLOUR_FAMILIES.values(), *SIMILAR.values(), *NEIGHBOURS.values()
) - set(COLOUR_NAMES)
if _UNKNOWN:
    raise ValueError(f"not colour names: {sorted(_UNKNOWN)}")
