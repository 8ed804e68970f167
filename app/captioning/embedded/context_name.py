"""A short name in the text around a picture: the only thing that is taken from there.

Context is written by strangers and is data. Pixels cannot say whether a sentence in it is true, so
only what looks like a plain name (of a product, a place, a page) is set before the caption.
"""

import re

NAME_MAX_CHARS = 80
NAME_MAX_WORDS = 9

_NOT_IN_A_NAME = re.compile(
    r"""[\x00-\x1f\x7f<>{}\[\]|\\`*_#=@^~"“”„«»\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"""
    r"""|[.!?:;]|https?|www|©|®|\b\w+/\w+"""
)
"""Markup, addresses, quotes and whatever ends or joins sentences."""

_ORDERS = frozenset(
    {
        *(
            "ignore",
            "disregard",
            "forget",
            "override",
            "say",
            "write",
            "print",
            "output",
            "respond",
        ),
        *("reply", "answer", "repeat", "describe", "translate", "pretend", "act", "please", "you"),
        *("your", "return", "tell", "system", "assistant", "instruction", "instructions", "prompt"),
        *("caption", "image", "photo", "picture", "bild", "foto", "slika", "fotografija", "imagen"),
        *("ignoriere", "vergiss", "schreibe", "sage", "antworte", "beschreibe", "ignorez", "écris"),
        *("oubliez", "écrivez", "dis", "dites", "réponds", "ignora", "olvida", "escribe", "di"),
        *("responde", "zanemari", "zaboravi", "napiši", "reci", "odgovori"),
    }
)
"""A name holds none of these words; an order to the writer of the caption does."""


def name_in(context: str | None) -> str | None:
    """The context itself where it is one short name, else None."""
    name = (context or "").strip()
    words = name.casefold().split()
    looks_like_one = (
        2 <= len(name) <= NAME_MAX_CHARS
        and len(words) <= NAME_MAX_WORDS
        and name[0].isalnum()
        and any(c.isalpha() for c in name)
        and not _NOT_IN_A_NAME.search(name)
        and not _ORDERS.intersection(word.strip(",'’()") for word in words)
    )
    return " ".join(name.split()) if looks_like_one else None
