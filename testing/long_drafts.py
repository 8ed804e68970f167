"""Long drafts that are no captions: a megabyte of one sign, and repeated patterns of marks."""

import string
import time

from app.types import Style
from app.validation.verdict import validate_text

SIGNS = (*string.printable, *"“”«»…—。、「」|｜\u200b\u0301é文あ한🐈\ufffd")
PATTERNS = (
    "。a", ". a", "a.", ") ", "“a” ", "1. ", "1. a\n", "- a\n", "user ", "[a] ", "| a ", "**a** ",
    "`a` ", "#a ", "x: ", "a, ", "Alt text: ", "<b>", '{"a":', "&amp;", "\\n", "(1,2),",
    "A cat sits on a mat. ",
)  # fmt: skip
CAPTION = (
    "A brown dog runs along a sandy beach while two children watch from the dunes behind a fence."
)
_MEGABYTE = 1_000_000


def megabyte_of(text: str) -> str:
    """The text repeated to a megabyte of UTF-8."""
    return text * (_MEGABYTE // len(text.encode()))


def judging_took_s(draft: str, style: Style) -> float:
    """Seconds of processor time to validate a draft: the least of three."""
    validate_text(draft[:1_000], style=style, locale="en", is_final=True)
    took_s = []
    for _ in range(3):
        started_s = time.process_time()
        validate_text(draft, style=style, locale="en", is_final=True)
        took_s.append(time.process_time() - started_s)
    return min(took_s)
