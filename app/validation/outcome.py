"""What a cleaned draft is: a caption, a sentinel answer (DECORATIVE, UNCERTAIN) or a refusal."""

import re
from typing import Literal

from app.validation.languages import load_languages
from app.validation.sentences import split_sentences

Outcome = Literal["caption", "decorative", "uncertain", "refused"]

# Long enough for an apology with reasons. A longer text that begins like one has a description.
_REFUSAL_MAX_CHARS = 1200
_ADDRESSED_TO_USER = ("you", "your", "please", "i ", "i'", "i’", "me ", "assist", "help")


def classify_outcome(text: str) -> Outcome:
    """The outcome of a cleaned draft."""
    word = text.strip(" .!:*_\"'`()[]").casefold()
    if word == "decorative":
        return "decorative"
    # Models add a reason to UNCERTAIN, although the prompt asks for the word alone.
    if word == "uncertain" or re.match(r"UNCERTAIN\s?[:.,;—–-]", text):
        return "uncertain"
    return "refused" if _is_refusal(text) else "caption"


def _is_refusal(text: str) -> bool:
    """True where the text is a refusal and nothing else, in any language."""
    refusal = load_languages().refusal
    if len(text) > _REFUSAL_MAX_CHARS or not refusal.match(text):
        return False
    first, *rest = split_sentences(text)
    # "I can't say who he is, but the image shows a man in a suit" contains a description.
    if any(mark in first.casefold() for mark in (", but the ", ", but it ", ", but this ")):
        return False
    return all(
        len(sentence) < 40
        or refusal.match(sentence)
        or any(word in f"{sentence.casefold()} " for word in _ADDRESSED_TO_USER)
        or not sentence.isascii()
        for sentence in rest
    )
