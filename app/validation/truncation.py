"""Cuts a text to the token ceiling and to the limits of its style, at sentence or word ends."""

from app.types import Draft, Style
from app.validation.languages import Language
from app.validation.length_rules import SHORT_CHARS
from app.validation.sentences import (
    cut_at_sentence,
    cut_at_word,
    drop_last_word,
    ends_sentence,
    join_sentences,
    split_sentences,
    text_width,
)

CHARS_PER_TOKEN = 4
"""Characters that one token counts for where the model's own count says nothing."""
_PLAUSIBLE_CHARS_PER_TOKEN = 8
"""No prose has more (English has about 4.5): a server that counts fewer tokens has miscounted."""


def cut_to_token_ceiling(
    text: str, draft: Draft, max_tokens: int | None, languages: tuple[Language, ...]
) -> tuple[str, bool]:
    """The cleaned `text` of a draft within `max_tokens`, and whether the ceiling cut it.

    A cut text ends at a whole sentence, else at a whole word.
    """
    dangling = _dangling_words(languages)
    if max_tokens is not None and not _was_ceiling_kept(text, draft, max_tokens):
        ceiling_chars = max_tokens * CHARS_PER_TOKEN
        if len(text) > ceiling_chars:
            whole = cut_at_sentence(text, ceiling_chars)
            return whole or cut_at_word(text, ceiling_chars, dangling), True
    if draft.cut and text:
        is_heading = text.endswith((":", "：")) and not draft.text.rstrip().endswith(text[-1])
        if ends_sentence(text) or is_heading:  # what follows a heading was cut, not the heading
            return text, True
        return cut_at_sentence(text, len(text)) or drop_last_word(text, dangling), True
    return text, False


def cut_to_style(
    text: str,
    style: Style,
    languages: tuple[Language, ...],
    *,
    is_final: bool,
    is_truncated: bool,
) -> str:
    """The leading sentences within the style's maximum, where they are a full caption.

    A text that its token ceiling ended within its first sentence is cut at a word. Otherwise the
    text unchanged: a rule rejects it as too long. `is_final`: the captioner is not
    asked again, so a caption that is short for its style is accepted.
    """
    parts = split_sentences(text)
    if len(text) <= style.max_chars and len(parts) <= style.max_sentences:
        return text
    shorter = cut_at_sentence(join_sentences(parts[: style.max_sentences]), style.max_chars)
    least_chars = style.min_chars if is_final else max(style.min_chars, SHORT_CHARS)
    if is_truncated:
        least_chars = min(least_chars, SHORT_CHARS)
    if is_truncated and len(parts) == 1 and not ends_sentence(text):
        # The ceiling ended it before its first sentence did: there is no better place to cut.
        return cut_at_word(text, style.max_chars, _dangling_words(languages))
    has_enough_sentences = len(split_sentences(shorter)) >= style.min_sentences or is_truncated
    return shorter if has_enough_sentences and text_width(shorter) >= least_chars else text


def _dangling_words(languages: tuple[Language, ...]) -> frozenset[str]:
    return frozenset().union(*(language.dangling_words for language in languages))


def _was_ceiling_kept(text: str, draft: Draft, max_tokens: int) -> bool:
    """Whether the model's server kept the ceiling, judging by its own token count.

    Not where the model was given more tokens than the ceiling, for its reasoning.
    """
    return (
        not draft.had_headroom
        and draft.output_tokens is not None
        and draft.output_tokens <= max_tokens
        and len(text) <= draft.output_tokens * _PLAUSIBLE_CHARS_PER_TOKEN
    )
