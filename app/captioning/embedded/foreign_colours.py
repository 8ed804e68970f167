"""Colours on a plain background that are not those of the thing itself.

A panel behind a dog, a picture on a television, what is on a plate and what metal mirrors are
part of what stands on the background, as the analysis sees it.
"""

from collections.abc import Sequence

from app.vision.colour_names import ColourShare

FURRED = frozenset({
    "dog", "wolf", "fox", "cat", "lion", "tiger", "leopard", "cheetah", "bear", "polar_bear",
    "panda", "red_panda", "monkey", "ape", "elephant", "zebra", "horse", "pig", "cow", "buffalo",
    "sheep", "goat", "antelope", "camel", "llama", "hippopotamus", "rabbit", "squirrel", "hamster",
    "kangaroo", "koala",
})  # fmt: skip
"""Animals whose colours are those of fur or hide."""
COLOURS_WITHOUT_FUR = frozenset({
    "navy", "blue", "light blue", "teal", "turquoise", "green", "light green", "dark green",
    "yellow", "light yellow", "red", "purple", "lavender",
})  # fmt: skip
SCREENS = frozenset({
    "electronic_device", "computer", "laptop", "monitor", "television", "mobile_phone",
})  # fmt: skip
"""What shows a picture that is none of its own colours."""
CASE_COLOURS = frozenset({"black", "dark grey", "grey", "light grey", "white", "off-white"})
CASE_MIN_SHARE = 0.6
"""From this share on the first colour is that of the thing, and not of a picture on it."""
MIRRORING = frozenset({"accessory", "jewellery", "necklace"})
"""Metal and stones, which show what is around them: a gold bracelet is "light grey"."""
MIXED = frozenset({"food", "diver", "baseball_game"})
"""Words for a dish, a person and an event: nobody knows which of its parts has which colour."""


def has_foreign_colours(concept: str, colours: Sequence[ColourShare]) -> bool:
    """Whether these colours, the largest first, may belong to something else than the concept."""
    names = {share.colour for share in colours}
    if concept in FURRED:
        return not names.isdisjoint(COLOURS_WITHOUT_FUR)
    if concept in SCREENS:
        return not names <= CASE_COLOURS and colours[0].share < CASE_MIN_SHARE
    return concept in MIXED or concept in MIRRORING
