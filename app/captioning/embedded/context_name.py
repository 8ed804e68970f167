"""Finds a short name in the context, the only part of it that a caption uses.

Context is data from strangers. Pixels cannot prove a sentence in it, so only a plain name (of a
product, a place, a page) is used, before the caption.
"""

import re

NAME_MAX_CHARS = 80
NAME_MAX_WORDS = 9

_NOT_IN_NAMES = re.compile(
    r"""[\x00-\x1f\x7f<>{}\[\]|\\`*_#=@^~"“”„«»\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"""
    r"""|[.!?:;]|https?|www|©|®|\b\w+/\w+"""
)
"""Markup, URLs, quotation marks, and marks that end or join sentences."""
_INSTRUCTION_WORDS_TEXT = """
ignore disregard forget override say write print output respond reply answer repeat describe
translate pretend act please you your return tell system assistant instruction instructions prompt
caption image photo picture bild foto slika fotografija imagen ignoriere vergiss schreibe sage
antworte beschreibe ignorez écris oubliez écrivez dis dites réponds ignora olvida escribe di
responde zanemari zaboravi napiši reci odgovori
"""
_INSTRUCTION_WORDS = frozenset(_INSTRUCTION_WORDS_TEXT.split())
"""Words of instructions to the writer of a caption; a text with one of them is not a name."""


def find_name(context: str | None) -> str | None:
    """The whole context where it is one short name, else None."""
    name = (context or "").strip()
    words = name.casefold().split()
    is_name = (
        2 <= len(name) <= NAME_MAX_CHARS
        and len(words) <= NAME_MAX_WORDS
        and name[0].isalnum()
        and any(char.isalpha() for char in name)
        and not _NOT_IN_NAMES.search(name)
        and not _INSTRUCTION_WORDS.intersection(word.strip(",'’()") for word in words)
    )
    return " ".join(name.split()) if is_name else None
