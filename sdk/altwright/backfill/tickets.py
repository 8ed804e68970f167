"""One picture on its way to an answer: what to ask next, and what came of each try. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.rules.outcome_rules import is_open
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.types import RequestResult, TextResult
from altwright.errors import (
    AltwrightError,
    CaptionProblem,
    ConnectionFailed,
    TimedOut,
    UnexpectedResponse,
    UnreadableImage,
    UsageError,
)
from altwright.models import Caption, FailedCaption

MAX_RESULTS = 12
"""Styles times locales of one request, the contract's limit."""
_CODES: Mapping[type[AltwrightError], str] = {
    UsageError: "wrong_use",
    UnreadableImage: "unreadable_picture",
    TimedOut: "timed_out",
    ConnectionFailed: "connection_failed",
    UnexpectedResponse: "unexpected_answer",
}
"""Codes recorded for errors that have no code of the API; journals keep them for years."""
NO_ROOM = ("rate_limited", "overloaded", "model_unavailable")
"""Not about this picture: the server has no room, or no captioner, for anybody."""


@dataclass(frozen=True, slots=True)
class Question:
    """The next request: one text alone, or all combinations of styles and locales."""

    styles: tuple[str, ...]
    locales: tuple[str, ...]

    @property
    def is_single(self) -> bool:
        """One text: asked by itself, for its problem then has a status and headers."""
        return len(self.styles) == len(self.locales) == 1


class Ticket:
    """What is known of one ask so far."""

    def __init__(self, ask: PendingRequest, asked: CaptionOptions) -> None:
        self.ask = ask
        self._asked = asked
        known = ask.answer.texts if ask.answer is not None else ()
        # What was paid for in an earlier run, or before a kill, is not asked again.
        self._texts = {(t.style, t.locale): t for t in known if not is_open(t) and _is_final(t)}
        self._facts = (
            ("", 0, 0)
            if ask.answer is None
            else (ask.answer.sha256, ask.answer.width, ask.answer.height)
        )
        self.calls = ask.answer.attempts if ask.answer is not None else 0
        self.failures = 0
        self.first_refused_s: float | None = None
        self.started_s = 0.0
        self.was_refused_inside = False
        """One of several results was refused: the next try asks for one, to learn how long."""

    def question(self) -> Question | None:
        """What to ask next; None where every text is there."""
        open_pairs = [pair for pair in self._asked.pairs if pair not in self._texts]
        if not open_pairs:
            return None
        if self.was_refused_inside:
            style, locale = open_pairs[0]
            return Question((style,), (locale,))
        styles = tuple(dict.fromkeys(style for style, _ in open_pairs))
        locales = tuple(dict.fromkeys(locale for _, locale in open_pairs))
        if len(open_pairs) == len(styles) * len(locales) <= MAX_RESULTS:
            return Question(styles, locales)
        first = open_pairs[0][0]
        its_own = tuple(locale for style, locale in open_pairs if style == first)
        return Question((first,), its_own[:MAX_RESULTS])

    def took(self, results: Iterable[Caption | FailedCaption]) -> list[TextResult]:
        """Keep what came; returns the texts that failed and may come later."""
        later: list[TextResult] = []
        for result in results:
            text = _text(result)
            if isinstance(result, Caption):
                image = result.image
                self._facts = (image.sha256, image.width, image.height)
            if is_open(text):
                later.append(text)
            else:
                self._texts[text.style, text.locale] = text
        return later

    def took_problem(self, question: Question, problem: CaptionProblem) -> None:
        """The one text that was asked for is one that a person should write."""
        failed = FailedCaption(question.styles[0], question.locales[0], problem)
        self.took([failed])

    @property
    def has_texts(self) -> bool:
        """Whether something is there that was paid for."""
        return bool(self._texts)

    def answer(
        self, later: Sequence[TextResult] = (), error: AltwrightError | None = None
    ) -> RequestResult:
        """All that is known, with what stays open; `error` is of the whole call."""
        texts = {**{(t.style, t.locale): t for t in later}, **self._texts}
        sha256, width, height = self._facts
        return RequestResult(
            texts=tuple(texts[pair] for pair in self._asked.pairs if pair in texts),
            sha256=sha256,
            width=width,
            height=height,
            attempts=self.calls,
            answered_at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            code="" if error is None else error.code or _code_of(error),
            message="" if error is None else str(error),
            request_id="" if error is None else error.request_id or "",
        )


def _code_of(error: AltwrightError) -> str:
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "unknown")


def _is_final(text: TextResult) -> bool:
    """A text, or one that a person should write; a picture that failed is tried again."""
    return not text.code or text.code.startswith("caption_")


def _text(result: Caption | FailedCaption) -> TextResult:
    if isinstance(result, Caption):
        return TextResult(
            style=result.style,
            locale=result.locale,
            text=result.caption,
            decorative=result.decorative,
            warnings=result.warnings,
            model=result.model,
            input_tokens=result.usage.input_tokens or 0,
            output_tokens=result.usage.output_tokens or 0,
        )
    problem = result.problem
    return TextResult(
        style=result.style,
        locale=result.locale,
        code=problem.code or "unknown",
        message=str(problem),
        retryable=problem.retryable,
        draft=problem.draft or "",
        reasons=tuple(reason.code for reason in problem.reasons),
    )
