"""The audit fields of a row: what a target is given for an outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from altwright.backfill.rows import AltSource, Outcome

SEPARATOR = "; "
"""Between reasons, and between warnings."""


@dataclass(frozen=True, slots=True)
class Asked:
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


def names(asked: Asked) -> list[str]:
    """Every audit field of a run, in the order of a file's columns."""
    texts = list(asked.fields().values())
    return [
        "alt", "alt_source", "alt_locale", "alt_model", "alt_reviewed_at",
        *(name for name in texts if name != "alt"), "reasons", "search_text",
    ]  # fmt: skip


def values(outcome: Outcome, asked: Asked) -> dict[str, str]:
    """Field to text. Where nothing may be written, only who must act and why has one."""
    found = dict.fromkeys(names(asked), "")
    found["alt_source"] = outcome.alt_source.value
    found["reasons"] = SEPARATOR.join(outcome.reasons)
    found["alt_reviewed_at"] = outcome.alt_reviewed_at
    if not is_writable(outcome):
        return found
    found |= dict(_texts(outcome, asked))
    return found | {
        "alt": outcome.alt,
        "alt_locale": outcome.alt_locale,
        "alt_model": outcome.alt_model,
        "search_text": outcome.search_text,
    }


def is_writable(outcome: Outcome) -> bool:
    """Whether its text may stand in a target: a model's that nothing holds back, or a person's."""
    return outcome.alt_source in (
        AltSource.AI, AltSource.DECORATIVE, AltSource.HUMAN, AltSource.HUMAN_EDITED_AI
    )  # fmt: skip


def _texts(outcome: Outcome, asked: Asked) -> Iterator[tuple[str, str]]:
    fields = asked.fields()
    is_blank = outcome.is_decided and outcome.alt_source is AltSource.DECORATIVE
    for pair, text in outcome.texts.items():
        if pair in fields:
            yield fields[pair], "" if is_blank and pair[0] == asked.styles[0] else text
    if "seo" in asked.styles[1:]:
        yield "seo", outcome.seo
