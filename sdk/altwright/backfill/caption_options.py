"""What a run asks for each image: styles, locales, a token limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """What a run asks for each picture; the first style in the first locale is the alt text."""

    styles: tuple[str, ...] = ("concise",)
    locales: tuple[str, ...] = ("en",)
    max_tokens: int | None = None

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Style and locale of each text, in the contract's order."""
        return tuple((style, locale) for style in self.styles for locale in self.locales)

    def fields(self) -> Mapping[tuple[str, str], str]:
        """The field of each text: `alt`, `seo`; of further locales `alt_de`, `seo_pt_br`."""
        return {pair: self._field(*pair) for pair in self.pairs}

    def _field(self, style: str, locale: str) -> str:
        name = "alt" if style == self.styles[0] else style
        if locale == self.locales[0]:
            return name
        return f"{name}_{locale.lower().replace('-', '_')}"
