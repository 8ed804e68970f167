"""Caption options of a run: styles, locales, a token limit; equal for every image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """What is requested for each image. The first style in the first locale is the alt text."""

    styles: tuple[str, ...] = ("concise",)
    locales: tuple[str, ...] = ("en",)
    max_tokens: int | None = None
    verify: bool | None = None
    """Whether captions are held against their image; None leaves it to the server."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Style and locale of each text, in the order of the API."""
        return tuple((style, locale) for style in self.styles for locale in self.locales)

    def text_fields(self) -> Mapping[tuple[str, str], str]:
        """Style and locale to audit field: `alt`, `seo`; `alt_de`, `seo_pt_br` in other locales."""
        return {pair: self._text_field(*pair) for pair in self.pairs}

    def _text_field(self, style: str, locale: str) -> str:
        name = "alt" if style == self.styles[0] else style
        if locale == self.locales[0]:
            return name
        return f"{name}_{locale.lower().replace('-', '_')}"
