"""What a style is: a register with its prompt, its limits and its own rules."""

from dataclasses import dataclass
from typing import Literal

Shape = Literal["sentences", "paragraph"]


@dataclass(frozen=True, slots=True)
class Style:
    """One register, read from one TOML file. Lengths are characters of the finished caption."""

    name: str
    purpose: str
    """One sentence for GET /v1/styles: who reads the text and where it stands."""
    prompt: str
    """What this style adds to the frame that all styles share."""
    min_chars: int
    aim_chars: int
    """What the prompt asks for."""
    max_chars: int
    warn_over_chars: int | None
    """Longer than this passes with `long_for_screen_readers`."""
    min_sentences: int
    max_sentences: int
    max_word_repeats: int | None
    """A content word may stand this often (`seo`: twice); None: as often as it likes."""
    uses_keywords: bool
    banned: tuple[str, ...]
    """Words and phrases that must never appear, matched as whole words in any case."""
    version: str
    """Changes when the file does: the first 12 hex digits of its SHA-256."""
