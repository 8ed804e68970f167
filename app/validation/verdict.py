"""Validates a draft: cleans it, classifies it, cuts it to length and checks every rule.

Pure functions: equal drafts get equal verdicts.
"""

from dataclasses import dataclass, replace

from app.types import Draft, Style
from app.validation.clean import clean
from app.validation.language_rules import wrong_language_reason
from app.validation.languages import load_languages
from app.validation.outcome import Outcome, classify_outcome
from app.validation.quoted_text import strip_quoted_text
from app.validation.rule_input import RuleInput
from app.validation.rules import RULES
from app.validation.sentences import cut_at_sentence, cut_at_word
from app.validation.truncation import cut_to_style, cut_to_token_ceiling

_WRONG_LANGUAGE = "wrong_language"
_RANKS = {rule.code: rank for rank, rule in enumerate(RULES)}
_DESCRIPTION_MIN_CHARS = 100
"""A style with at least this minimum wants the description of a structured draft."""
_JUDGED_CHARS = 1_000
"""The rules read so much of a text that is too long: as much as the longest style allows."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A hard rule that a draft breaks."""

    code: str
    reason: str
    """One sentence that says what to change."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of validation."""

    outcome: Outcome
    caption: str
    """The cleaned text, cut to length where necessary; empty unless the outcome is `caption`."""
    violations: tuple[Violation, ...]
    """The hard rules that the caption breaks."""
    warnings: tuple[str, ...]
    """The codes of the soft rules that it breaks."""
    truncated: bool
    """The token ceiling ended it."""
    is_search_query: bool = False
    """A title or name, whose language need not be that of the locale."""

    @property
    def is_valid(self) -> bool:
        """True for a caption that breaks no hard rule, and for a decorative image."""
        return self.outcome == "decorative" or (self.outcome == "caption" and not self.violations)


def validate_text(
    text: str,
    *,
    style: Style,
    locale: str,
    context: str | None = None,
    visible_text: str | None = None,
    is_final: bool = False,
) -> Verdict:
    """The verdict on a text that was not written under a token ceiling."""
    return validate_draft(
        Draft(text, model=""),
        style=style,
        locale=locale,
        context=context,
        visible_text=visible_text,
        is_final=is_final,
    )


def validate_draft(
    draft: Draft,
    *,
    style: Style,
    locale: str,
    context: str | None = None,
    visible_text: str | None = None,
    max_tokens: int | None = None,
    is_final: bool = False,
    identifies_language: bool = True,
) -> Verdict:
    """The verdict on a captioner's draft.

    `max_tokens` is the token ceiling of the caption. Where the model's server did not keep it, or
    its token count says nothing about the caption, it is enforced here at 4 characters a token.
    `is_final`: the captioner is not asked again, so a draft that is too long is cut even to a
    caption that is short for its style. Without `identifies_language` the language is not checked:
    `check_language` does it later, in a process that has the identifier.
    """
    cleaned = clean(
        draft.text, locale, prefers_description=style.min_chars >= _DESCRIPTION_MIN_CHARS
    )
    outcome = classify_outcome(cleaned.text)
    if outcome != "caption":
        return Verdict(outcome, "", (), (), truncated=False)
    languages = load_languages().for_locale(locale)
    caption, is_truncated = cut_to_token_ceiling(cleaned.text, draft, max_tokens, languages)
    caption = cut_to_style(caption, style, languages, is_final=is_final, is_truncated=is_truncated)
    judged = _beginning_of(caption, style)
    violations, warnings = _check_rules(
        RuleInput(
            caption=judged,
            length_chars=len(caption),
            uncut=cleaned.text,
            unquoted=strip_quoted_text(judged),
            defect=cleaned.defect,
            style=style,
            locale=locale,
            languages=languages,
            context=context or "",
            visible_text=visible_text or "",
            is_truncated=is_truncated or judged != caption,
            is_search_query=cleaned.is_search_query,
        ),
        identifies_language=identifies_language,
    )
    return Verdict("caption", caption, violations, warnings, is_truncated, cleaned.is_search_query)


def check_language(verdict: Verdict, locale: str) -> Verdict:
    """The verdict with the rule that `validate_draft` left out."""
    is_empty = any(violation.code == "empty" for violation in verdict.violations)
    if verdict.outcome != "caption" or verdict.is_search_query or is_empty:
        return verdict
    reason = wrong_language_reason(verdict.caption, locale)
    if reason is None:
        return verdict
    violations = [*verdict.violations, Violation(_WRONG_LANGUAGE, reason)]
    violations.sort(key=lambda violation: _RANKS[violation.code])
    return replace(verdict, violations=tuple(violations))


def _beginning_of(caption: str, style: Style) -> str:
    """The caption, or the beginning of one that is too long: what of it the rules read."""
    limit_chars = max(_JUDGED_CHARS, style.max_chars)
    if len(caption) <= limit_chars:
        return caption
    beginning = cut_at_sentence(caption, limit_chars) or cut_at_word(caption, limit_chars)
    return beginning or caption[:limit_chars]


def _check_rules(
    given: RuleInput, *, identifies_language: bool
) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """The hard rules that are broken, and the codes of the soft ones."""
    violations: list[Violation] = []
    warnings: list[str] = []
    for rule in RULES:
        if rule.code == _WRONG_LANGUAGE and not identifies_language:
            continue
        reason = rule.check(given)
        if reason is None:
            continue
        if rule.severity == "soft":
            warnings.append(rule.code)
            continue
        violations.append(Violation(rule.code, reason))
        if rule.code == "empty":
            break  # the other rules would only repeat it
    return tuple(violations), tuple(warnings)
