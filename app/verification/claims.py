"""Claims: what a caption says that pixels can deny, with its place in the caption.

Text and numbers that it says can be read, colours of things, and the kind of thing that it is
about. Words are known in the languages of the embedded captioner (words/); of a caption in another
language the text and the numbers are claims. Extraction is linear in the length of the caption.
"""

from dataclasses import dataclass
from typing import Literal

TextForm = Literal["quoted", "phrase", "labelled", "amount"]
"""quoted: in quotation marks. phrase: in quotation marks, not in capitals, and nothing says that it
can be read (the "blue hour", "Victorian" style): often a way of speaking. labelled: "reads STOP",
"number 23". amount: "40%", "$5"."""
Place = Literal["subject", "background", "elsewhere"]
"""subject: of the thing that the caption begins with. elsewhere: of anything in the picture."""


@dataclass(frozen=True, slots=True)
class TextClaim:
    """The caption says that this text can be read in the picture."""

    text: str
    """As in the caption, without quotation marks."""
    start: int
    end: int
    form: TextForm


@dataclass(frozen=True, slots=True)
class ColourClaim:
    """The caption says that something has this colour."""

    text: str
    """As in the caption."""
    start: int
    end: int
    colour: str
    """A basic colour, a key of `[colours]` in the word files."""
    place: Place
    is_area: bool = False
    """Of a plane of one colour, such as a sign, that the caption begins with."""


@dataclass(frozen=True, slots=True)
class SubjectClaim:
    """The caption says that this kind of thing is what the picture is about."""

    text: str
    """As in the caption."""
    start: int
    end: int
    concepts: tuple[str, ...]
    """What the word can mean, as concepts of the recogniser."""


Claim = TextClaim | ColourClaim | SubjectClaim


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims of one caption, each kind in the order of the caption."""

    texts: tuple[TextClaim, ...] = ()
    colours: tuple[ColourClaim, ...] = ()
    subjects: tuple[SubjectClaim, ...] = ()
    mentioned: frozenset[str] = frozenset()
    """Every concept that any word of the caption can mean."""

    def __bool__(self) -> bool:
        return bool(self.texts or self.colours or self.subjects)
