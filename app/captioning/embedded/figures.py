"""Tells from the name of a product that a face in its picture is no person's.

The pixels do not: a doll has skin, hair and clothes. A name that the caption begins with does.
"""

import re

from app.captioning.embedded.context_name import find_name

_FIGURE = re.compile(
    r"""(?<!\w)(?:
    dolls?|(?:action[ -])?figures?|figurines?|mannequins?|puppets?|statues?|statuettes?|busts?
    |\w*puppen?|\w*figur(?:en)?|statuen?|büsten?
    |poupées?|marionnettes?|bustes?
    |muñec[ao]s?|figuras?|maniquí(?:es)?|marionetas?|estatuas?|bustos?
    |lutk[aeiu]|figuric[aeu]|kip(?:ovi)?|bist[ae]
    )(?![\w-])""",
    re.VERBOSE | re.IGNORECASE,
)
"""In English, German, French, Spanish and Croatian: a shop's names may be in any of them."""


def names_figure(context: str | None) -> bool:
    """Whether the context is the name of a doll, a figure, a mannequin or a statue."""
    name = find_name(context)
    return name is not None and _FIGURE.search(name) is not None
