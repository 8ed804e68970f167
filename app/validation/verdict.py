"""Judging a draft: clean, ways out, refusals, length, rules. Pure: equal drafts, equal verdicts."""

import re
from dataclasses import dataclass
from typing import Literal

from app.types import Style
from app.validation import language_identifier, length_rules, sentences
from app.validation.clean import Cleaned, clean
from app.validation.languages import Language, Languages, load_languages
from app.validation.rules import RULES, RuleInput

Outcome = Literal["caption", "decorative", "uncertain", "refused"]

CHARS_PER_TOKEN = 4
"""What one token counts for where the model was given more of them than the caption may have."""
_MOST_CHARS_PER_TOKEN = 8
"""No prose has more (English about 4.5): who counts fewer tokens than this has miscounted."""
_LONG_FORM_MIN_CHARS = 100
# Long enough for an apology with its reasons; a description that begins with one is longer still.
_REFUSAL_MAX_CHARS = 1200
_TO_THE_READER = ("you", "your", "please", "i ", "i'", "i’", "me ", "assist", "help")


@dataclass(frozen=True, slots=True)
class Violation:
    """A hard rule that the draft breaks, and the sentence that says how to mend it."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a draft is worth. It is a caption to store only if `is_valid`."""

    outcome: Outcome
    caption: str
    """Cleaned, and cut where it had to be; empty for every outcome but `caption`."""
    hard: tuple[Violation, ...]
    soft: tuple[str, ...]
    truncated: bool

    @property
    def is_valid(self) -> bool:
        """True for a caption that breaks no hard rule, and for decorative."""
        return self.outcome == "decorative" or (self.outcome == "caption" and not self.hard)


def validate_draft(
    text: str,
    *,
    style: Style,
    locale: str,
    context: str | None = None,
    max_tokens: int | None = None,
    cut: bool = False,
    had_headroom: bool = False,
    output_tokens: int | None = None,
    final: bool = False,
) -> Verdict:
    """Clean a draft and judge it by every rule of its style.

    `cut` says that the token ceiling ended the draft; `had_headroom` that the model was given more
    than `max_tokens`, so that the ceiling is held here, at 4 characters a token. It is held too
    where the model's server counted more `output_tokens` than it was allowed, counted none, or
    cannot have counted right. `final` says that
    nobody will be asked again: a first sentence that is short for its register is then kept.
    """
    knowledge = load_languages()
    cleaned = clean(text, locale, is_long=style.min_chars >= _LONG_FORM_MIN_CHARS)
    way_out = _way_out(cleaned, knowledge)
    if way_out is not None:
        return Verdict(way_out, "", (), (), truncated=False)
    languages = knowledge.of(locale)
    ceiling = None
    if max_tokens is not None and (
        had_headroom or not _was_kept(cleaned.text, max_tokens, output_tokens)
    ):
        ceiling = max_tokens * CHARS_PER_TOKEN
    caption, truncated = _within_ceiling(cleaned.text, ceiling, languages, cut=cut)
    caption = _within_register(caption, style, is_final=final, is_truncated=truncated)
    said = RuleInput(
        caption=caption,
        whole=cleaned.text,
        unquoted=language_identifier.strip_quotations(caption),
        leftover=cleaned.leftover,
        style=style,
        locale=locale,
        languages=languages,
        context=context or "",
        is_truncated=truncated,
        is_searched=cleaned.is_searched,
    )
    return _verdict(said)


def _verdict(said: RuleInput) -> Verdict:
    hard: list[Violation] = []
    soft: list[str] = []
    for rule in RULES:
        reason = rule.check(said)
        if reason is None:
            continue
        if rule.severity == "soft":
            soft.append(rule.name)
            continue
        hard.append(Violation(rule.name, reason))
        if rule.name == "empty":
            break  # every other reason would only say the same
    return Verdict("caption", said.caption, tuple(hard), tuple(soft), truncated=said.is_truncated)


def _way_out(cleaned: Cleaned, knowledge: Languages) -> Outcome | None:
    word = cleaned.text.strip(" .!:*_\"'`()[]").casefold()
    if word == "decorative":
        return "decorative"
    # The prompt's own word, with the reason that nobody asked for.
    if word == "uncertain" or re.match(r"UNCERTAIN\s?[:.,;—–-]", cleaned.text):
        return "uncertain"
    return "refused" if _is_refusal(cleaned.text, knowledge) else None


def _is_refusal(text: str, knowledge: Languages) -> bool:
    """True where the draft is nothing but a refusal, in any language."""
    if len(text) > _REFUSAL_MAX_CHARS or not knowledge.refusal.match(text):
        return False
    first, *rest = sentences.split_sentences(text)
    # "I can't say who he is, but the image shows a man in a suit" has a description in it.
    if any(mark in first.casefold() for mark in (", but the ", ", but it ", ", but this ")):
        return False
    return all(
        len(part) < 40
        or knowledge.refusal.match(part)
        or any(word in f"{part.casefold()} " for word in _TO_THE_READER)
        or not part.isascii()
        for part in rest
    )


def _was_kept(text: str, max_tokens: int, output_tokens: int | None) -> bool:
    """Whether the model's server kept the ceiling by itself, as far as can be told."""
    return (
        output_tokens is not None
        and output_tokens <= max_tokens
        and len(text) <= output_tokens * _MOST_CHARS_PER_TOKEN
    )


def _within_ceiling(
    text: str, ceiling: int | None, languages: tuple[Language, ...], *, cut: bool
) -> tuple[str, bool]:
    """The text within the ceiling, ending at a whole sentence or else a whole word; was it cut?"""
    dangling = frozenset().union(*(one.dangling for one in languages))
    if ceiling is not None and len(text) > ceiling:
        whole = sentences.cut_at_sentence(text, ceiling)
        return whole or sentences.cut_at_word(text, ceiling, dangling), True
    if cut and text:
        if sentences.ends_sentence(text):
            return text, True
        whole = sentences.cut_at_sentence(text, len(text))
        return whole or sentences.drop_last_word(text, dangling), True
    return text, False


def _within_register(text: str, style: Style, *, is_final: bool, is_truncated: bool) -> str:
    """Whole sentences from the start, where those are a full caption of the register by themselves.

    Otherwise the text as it is: the rules will say that it is too long.
    """
    parts = sentences.split_sentences(text)
    if len(text) <= style.max_chars and len(parts) <= style.max_sentences:
        return text
    shorter = sentences.cut_at_sentence(
        sentences.join_sentences(parts[: style.max_sentences]), style.max_chars
    )
    full = style.min_chars if is_final else max(style.min_chars, length_rules.SHORT_CHARS)
    if is_truncated:
        full = min(full, length_rules.SHORT_CHARS)
    enough = len(sentences.split_sentences(shorter)) >= style.min_sentences or is_truncated
    return shorter if enough and sentences.text_width(shorter) >= full else text
