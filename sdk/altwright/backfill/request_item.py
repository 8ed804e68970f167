"""One request of a backfill: which texts are still missing, and the results so far. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.rules.outcome_rules import CONTRADICTIONS
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.types import RequestResult, TextResult
from altwright.errors import (
    AltwrightError,
    CaptionProblem,
    ConnectionFailed,
    Reason,
    TimedOut,
    UnexpectedResponse,
    UnreadableImage,
    UsageError,
)
from altwright.models import Caption, FailedCaption
from altwright.scheduler import WorkItem

MAX_RESULTS = 12
"""The API's limit for one request: styles times locales."""
NO_CAPACITY = ("rate_limited", "quota_exceeded", "overloaded", "model_unavailable")
"""Codes that say nothing about the image: no request would be served now."""
_CODES: Mapping[type[AltwrightError], str] = {
    UsageError: "wrong_use",
    UnreadableImage: "unreadable_picture",
    TimedOut: "timed_out",
    ConnectionFailed: "connection_failed",
    UnexpectedResponse: "unexpected_answer",
}
"""Recorded for errors that have no code of the API. Journals and tables contain these codes, so
they stay when a class is renamed."""


@dataclass(frozen=True, slots=True)
class RequestedTexts:
    """What one call requests: all combinations of these styles and locales."""

    styles: tuple[str, ...]
    locales: tuple[str, ...]

    @property
    def is_single(self) -> bool:
        """One text: its call returns the problem's own status and headers (Retry-After)."""
        return len(self.styles) == len(self.locales) == 1


class RequestItem(WorkItem):
    """One pending request with the texts that it has so far."""

    def __init__(self, pending: PendingRequest, options: CaptionOptions) -> None:
        super().__init__()
        self.pending = pending
        self._options = options
        earlier = pending.earlier_result
        # Texts that an earlier run paid for are not requested again.
        texts = earlier.texts if earlier is not None else ()
        self._texts = {
            (t.style, t.locale): t for t in texts if not t.is_retryable_failure and _is_final(t)
        }
        self._image_facts = (
            ("", 0, 0) if earlier is None else (earlier.sha256, earlier.width, earlier.height)
        )
        self.calls = earlier.attempts if earlier is not None else 0
        """Calls so far, including those of earlier runs."""
        self.request_single = False
        """One of several texts was refused: the next call requests one, for its Retry-After."""

    @property
    def is_complete(self) -> bool:
        """Whether every text is settled."""
        return not self._missing

    @property
    def has_texts(self) -> bool:
        """Whether there is a result that was paid for."""
        return bool(self._texts)

    def next_texts(self) -> RequestedTexts:
        """What to request next. The item must not be complete."""
        missing = self._missing
        if self.request_single:
            style, locale = missing[0]
            return RequestedTexts((style,), (locale,))
        return _group_texts(missing)

    def count_texts(self) -> int:
        """Texts that are still to be requested."""
        return len(self._missing)

    def count_calls(self) -> int:
        """Calls that request them, if none has to be repeated."""
        missing, calls = self._missing, 0
        while missing:
            group = _group_texts(missing)
            missing = [
                (style, locale)
                for style, locale in missing
                if style not in group.styles or locale not in group.locales
            ]
            calls += 1
        return calls

    def add_results(self, results: Iterable[Caption | FailedCaption]) -> list[TextResult]:
        """Keep the settled texts; returns those that failed and may succeed later."""
        unsettled: list[TextResult] = []
        for result in results:
            text = _to_text_result(result)
            if isinstance(result, Caption):
                image = result.image
                self._image_facts = (image.sha256, image.width, image.height)
            if text.is_retryable_failure:
                unsettled.append(text)
            else:
                self._texts[text.style, text.locale] = text
        return unsettled

    def add_problem(self, requested: RequestedTexts, problem: CaptionProblem) -> None:
        """The one text that was requested is one that a person should write."""
        self.add_results([FailedCaption(requested.styles[0], requested.locales[0], problem)])

    def to_result(
        self, unsettled: Sequence[TextResult] = (), error: AltwrightError | None = None
    ) -> RequestResult:
        """The results so far, with texts that stay unsettled, or the error of the whole call."""
        texts = {**{(t.style, t.locale): t for t in unsettled}, **self._texts}
        sha256, width, height = self._image_facts
        return RequestResult(
            texts=tuple(texts[pair] for pair in self._options.pairs if pair in texts),
            sha256=sha256,
            width=width,
            height=height,
            attempts=self.calls,
            answered_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            code="" if error is None else error.code or _code_of(error),
            message="" if error is None else str(error),
            request_id="" if error is None else error.request_id or "",
        )

    @property
    def _missing(self) -> list[tuple[str, str]]:
        return [pair for pair in self._options.pairs if pair not in self._texts]


def _group_texts(missing: Sequence[tuple[str, str]]) -> RequestedTexts:
    """The first of the missing texts that fit into one call."""
    styles = tuple(dict.fromkeys(style for style, _ in missing))
    locales = tuple(dict.fromkeys(locale for _, locale in missing))
    if len(missing) == len(styles) * len(locales) <= MAX_RESULTS:
        return RequestedTexts(styles, locales)
    first = missing[0][0]
    locales = tuple(locale for style, locale in missing if style == first)
    return RequestedTexts((first,), locales[:MAX_RESULTS])


def _code_of(error: AltwrightError) -> str:
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "unknown")


def _is_final(text: TextResult) -> bool:
    """A text, or one that a person should write; an image that failed is tried again."""
    return not text.code or text.code.startswith("caption_")


def _to_text_result(result: Caption | FailedCaption) -> TextResult:
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
            checks=result.checks or (),
        )
    problem = result.problem
    return TextResult(
        style=result.style,
        locale=result.locale,
        code=problem.code or "unknown",
        message=str(problem),
        retryable=problem.retryable,
        draft=problem.draft or "",
        reasons=tuple(map(_describe, problem.reasons)),
    )


def _describe(reason: Reason) -> str:
    """Its code; with what was seen if the picture contradicts the draft."""
    return f"{reason.code}: {reason.reason}" if reason.code in CONTRADICTIONS else reason.code
