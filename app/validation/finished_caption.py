"""Checks a caption that was made before, and comes back from a store that others can write."""

from app.types import Style
from app.validation.languages import load_languages
from app.validation.outcome import classify_outcome
from app.validation.quoted_text import strip_quoted_text
from app.validation.rule_input import RuleInput
from app.validation.rules import RULES
from app.validation.unicode_normalisation import normalise_text


def check_finished_caption(
    caption: str,
    *,
    style: Style,
    locale: str,
    context: str | None,
    is_truncated: bool,
    visible_text: str | None = None,
) -> tuple[str, ...] | None:
    """The codes of the soft rules that it breaks; None where it is no caption for this request.

    It is checked as it stands: a finished caption needs no cleaning and no cutting.
    """
    is_plain = caption.isprintable() and normalise_text(caption) == caption
    if len(caption) > style.max_chars or not is_plain or classify_outcome(caption) != "caption":
        return None
    given = RuleInput(
        caption=caption,
        length_chars=len(caption),
        uncut=caption,
        unquoted=strip_quoted_text(caption),
        defect="",
        style=style,
        locale=locale,
        languages=load_languages().for_locale(locale),
        context=context or "",
        visible_text=visible_text or "",
        is_truncated=is_truncated,
        is_search_query=False,
    )
    broken = [rule for rule in RULES if rule.check(given) is not None]
    if any(rule.severity == "hard" for rule in broken):
        return None
    return tuple(rule.code for rule in broken)
