"""The input of every rule."""

from dataclasses import dataclass
from typing import Literal

from app.types import Style
from app.validation.languages import Language


@dataclass(frozen=True, slots=True)
class RuleInput:
    """A cleaned draft, and what it is checked against."""

    caption: str
    """The text that would be returned, or the beginning of one that is too long."""
    length_chars: int
    """Length of the whole text that would be returned."""
    uncut: str
    """The text before it was cut to length: some rules check the removed part too."""
    unquoted: str
    """`caption` without its quoted text."""
    defect: Literal["", "reasoning", "outline"]
    style: Style
    locale: str
    languages: tuple[Language, ...]
    context: str
    visible_text: str
    """Text beside the image that readers get anyway; empty where there is none."""
    is_truncated: bool
    is_search_query: bool
    """A title or name, whose language need not be that of the locale."""
