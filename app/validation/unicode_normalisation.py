"""Unicode normalisation: NFC, no invisible characters, white space folded."""

import re
import unicodedata

# C0 and C1 controls except line ends and tabs, surrogates, soft hyphen, zero-width characters,
# bidirectional marks and overrides, invisible operators, tags, BOM, interlinear marks, Mongolian
# separator.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
# Joiners are part of the spelling in Persian, Urdu and the scripts of India. Elsewhere they occur
# in emoji only, which a caption must not contain.
_JOINER = re.compile("[\u200c\u200d]")
_JOINERS = re.compile(r"(?<![\u0600-\u0dff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0dff])")
# A single space is left alone: most texts then have nothing to replace.
_SPACES = re.compile(r"[^\S\n ][^\S\n]*| [^\S\n]+")
_MAX_MARKS = 30
"""Combining marks on one letter, as in the stream-safe format of UAX 15. Sorting them takes the
square of their number: 5,000 marks on one letter took 0.2 s."""
_MAYBE_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{_MAX_MARKS + 1},}}")
"""A run of characters that may be combining marks, which are neither letters nor spaces."""


def normalise_text(text: str) -> str:
    """Normalises to NFC and folds white space; drops invisible characters.

    Line ends are kept, each as `\\n`.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    text = (
        text.replace("\u2029", "\n").replace("\x85", "\n").replace("\v", "\n").replace("\f", "\n")
    )
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        if _JOINER.search(text):
            text = _JOINERS.sub("", text)
        text = _MAYBE_MARKS.sub(lambda run: _drop_surplus_marks(run.group()), text)
        text = unicodedata.normalize("NFC", text)
    return _SPACES.sub(" ", text).strip()


def _drop_surplus_marks(text: str) -> str:
    """The text without the combining marks after the first 30 of one letter."""
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)
