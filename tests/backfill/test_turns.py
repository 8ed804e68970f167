"""When a question is asked again, and when the whole run ends; with clocks of the test's own."""

from dataclasses import replace
from itertools import pairwise

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.stop_reason import StopKind
from altwright.backfill.tickets import Question
from altwright.backfill.turns import Done, Finished, Partly, Pull, Result, Start, Turns, Wait
from altwright.backfill.types import Row
from altwright.errors import (
    AltwrightError,
    CaptionRejected,
    ConnectionFailed,
    FieldError,
    ImageNotFound,
    InvalidRequest,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    Reason,
    Unauthorized,
    UnexpectedResponse,
    UsageError,
)
from altwright.models import Caption, FailedCaption, ImageFacts, Usage
from altwright.throttle import AdaptiveThrottle

BOTH = CaptionOptions(("concise", "seo"), ("en",))


def caption(style: str = "concise", locale: str = "en") -> Caption:
    """As a server answers it."""
    return Caption(
        caption=f"A mug, {style}.", style=style, locale=locale, decorative=False,
        truncated=False, warnings=(), model="m", usage=Usage(100, 10),
        image=ImageFacts(4, 3, "jpeg", 9, "abc", 4, 3), metadata={},
    )  # fmt: skip


def failed(style: str, code: str = "model_timeout", status: int = 504) -> FailedCaption:
    """One of several results."""
    kind = ModelUnavailable if status == 503 else ModelTimeout
    return FailedCaption(style, "en", kind(code, status=status, code=code))


class Clock:
    """One ask on its way, and a clock that only the test moves."""

    def __init__(self, asked: CaptionOptions = BOTH, *, asks: int = 1) -> None:
        self.now_s = 100.0
        self.turns = Turns(
            asked, AdaptiveThrottle(concurrency=8, per_second=None), concurrency=8, patience_s=600,
            longest_wait_s=900,
        )  # fmt: skip
        self._asks = asks

    def next(self) -> Start | Wait | Finished:
        """What begins now; the clock goes on over waits that have an end."""
        while True:
            step = self.turns.step(self.now_s)
            if isinstance(step, Pull):
                if self._asks:
                    self._asks -= 1
                    self.turns.offer(
                        PendingRequest(f"ask-{self._asks}", Row("1", "http://x/1.jpg"), 1, None)
                    )
                else:
                    self.turns.exhausted()
            elif isinstance(step, Wait) and step.seconds is not None:
                self.now_s += step.seconds
            else:
                return step

    def ask(self, result: Result, *, is_alive: bool = True) -> tuple[Question, object]:
        """The next question, and what comes of this result."""
        step = self.next()
        assert isinstance(step, Start), step
        verdict = self.turns.ended(
            step.ticket, step.question, result, now_s=self.now_s, now_unix_s=1e9, chance=0.0,
            is_alive=is_alive,
        )  # fmt: skip
        self.turns.recorded()
        return step.question, verdict


def test_four_attempts_with_waits_of_two_four_and_eight_seconds() -> None:
    clock = Clock()
    began_s: list[float] = []
    for _ in range(4):
        step = clock.next()
        assert isinstance(step, Start)
        began_s.append(clock.now_s)
        verdict = clock.turns.ended(
            step.ticket, step.question, ModelTimeout("slow", status=504), now_s=clock.now_s,
            now_unix_s=1e9, chance=0.0, is_alive=True,
        )  # fmt: skip
        clock.turns.recorded()
    assert [round(b - a) for a, b in pairwise(began_s)] == [2, 4, 8]
    assert isinstance(verdict, Done)
    assert (verdict.answer.code, verdict.answer.attempts) == ("model_timeout", 4)
    assert isinstance(clock.next(), Finished)


def test_what_will_not_pass_is_asked_once() -> None:
    _, verdict = Clock().ask(ImageNotFound("gone", status=422))
    assert isinstance(verdict, Done)
    assert (verdict.answer.code, verdict.answer.attempts) == ("image_not_found", 1)


def test_a_row_that_cannot_be_sent_is_no_call() -> None:
    _, verdict = Clock().ask(UsageError("no URL"))
    assert isinstance(verdict, Done)
    assert (verdict.answer.code, verdict.answer.attempts) == ("wrong_use", 0)


def test_only_what_is_missing_is_asked_again() -> None:
    clock = Clock()
    question, verdict = clock.ask([caption(), failed("seo")])
    assert question == Question(("concise", "seo"), ("en",))
    assert isinstance(verdict, Partly)
    assert [text.style for text in verdict.answer.texts] == ["concise"]
    question, verdict = clock.ask([caption("seo")])
    assert question == Question(("seo",), ("en",))
    assert isinstance(verdict, Done)
    assert [text.style for text in verdict.answer.texts] == ["concise", "seo"]


def test_what_an_earlier_run_paid_for_is_not_asked_again() -> None:
    clock = Clock()
    _, verdict = clock.ask([caption(), failed("seo")])
    assert isinstance(verdict, Partly)
    later = Clock(asks=0)
    later.turns.offer(PendingRequest("ask", Row("1", "http://x/1.jpg"), 1, verdict.answer))
    question, _ = later.ask([caption("seo")])
    assert question.styles == ("seo",)


def test_combinations_that_are_no_grid_are_asked_style_by_style() -> None:
    clock = Clock(CaptionOptions(("concise", "seo"), ("en", "de")))
    first = [caption(), failed("concise"), failed("seo"), caption("seo", "de")]
    first[1] = replace(first[1], locale="de")
    clock.ask(first)
    assert clock.ask([caption("concise", "de")])[0] == Question(("concise",), ("de",))
    assert clock.ask([caption("seo", "en")])[0] == Question(("seo",), ("en",))


def test_a_rejected_draft_is_kept_for_review() -> None:
    error = CaptionRejected(
        "rejected", status=422, draft="Image of a mug", reasons=[Reason("opener", "begins so")]
    )
    _, verdict = Clock(CaptionOptions()).ask(error)
    assert isinstance(verdict, Done)
    [text] = verdict.answer.texts
    assert (text.code, text.draft, text.reasons) == (
        "caption_rejected", "Image of a mug", ("opener",)
    )  # fmt: skip


def test_refusals_are_waited_out_and_are_no_attempts() -> None:
    clock = Clock(CaptionOptions())
    for _ in range(10):
        before_s = clock.now_s
        _, verdict = clock.ask(RateLimited("slow down", status=429, retry_after=30))
        assert verdict is None
        assert clock.now_s - before_s in (0, pytest.approx(30))
    _, verdict = clock.ask([caption()])
    assert isinstance(verdict, Done)


def test_a_long_wait_is_a_quota_and_ends_the_run() -> None:
    clock = Clock(CaptionOptions())
    clock.ask(ModelUnavailable("no more today", status=503, retry_after=7_200))
    assert clock.turns.stop is not None
    assert clock.turns.stop.why is StopKind.LATER
    assert clock.turns.stop.come_back_at_unix_s == 1e9 + 7_200
    assert isinstance(clock.next(), Finished)


def test_where_all_results_are_refused_one_is_asked_to_learn_how_long() -> None:
    clock = Clock()
    refused = [failed("concise", "model_unavailable", 503), failed("seo", "model_unavailable", 503)]
    clock.ask(refused)
    question, _ = clock.ask(ModelUnavailable("no more", status=503, retry_after=7_200))
    assert question == Question(("concise",), ("en",))
    assert clock.turns.stop is not None


def test_a_server_that_is_down_ends_the_run_after_its_patience_and_fails_no_row() -> None:
    clock = Clock(CaptionOptions())
    down = ConnectionFailed("refused")
    down.reached = False
    while clock.turns.stop is None:
        assert clock.ask(down, is_alive=False)[1] is None
        assert clock.now_s < 100 + 700
    assert clock.turns.stop.why is StopKind.LATER
    assert clock.now_s > 100 + 590


def test_a_connection_that_breaks_on_a_server_that_is_there_counts() -> None:
    clock = Clock(CaptionOptions())
    verdicts = [clock.ask(ConnectionFailed("reset"))[1] for _ in range(4)]
    assert verdicts[:3] == [None] * 3
    assert isinstance(verdicts[3], Done)
    assert verdicts[3].answer.code == "connection_failed"


def test_a_proxy_that_says_503_is_a_server_that_is_away() -> None:
    clock = Clock(CaptionOptions())
    for _ in range(6):
        assert clock.ask(UnexpectedResponse("a page", status=503))[1] is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Unauthorized("no", status=401), StopKind.WRONG_KEY),
        (UnexpectedResponse("a page", status=200), StopKind.WRONG_SERVER),
        (
            InvalidRequest("x", status=422, errors=[FieldError("locale", "no tag")]),
            StopKind.WRONG_SERVER,
        ),
    ],
)
def test_what_is_wrong_for_every_row_ends_the_run(error: AltwrightError, why: StopKind) -> None:
    clock = Clock(asks=3)
    assert clock.ask(error)[1] is None
    assert clock.turns.stop is not None
    assert clock.turns.stop.why is why


def test_a_wrong_url_fails_its_row_alone() -> None:
    error = InvalidRequest("x", status=422, errors=[FieldError("image_url", "no URL")])
    clock = Clock(CaptionOptions())
    assert isinstance(clock.ask(error)[1], Done)
    assert clock.turns.stop is None


def test_what_is_not_recorded_counts_as_in_flight() -> None:
    clock = Clock(CaptionOptions(), asks=50)
    started = 0
    while isinstance(step := clock.next(), Start):
        started += 1
        clock.turns.ended(
            step.ticket, step.question, [caption()], now_s=clock.now_s, now_unix_s=1e9,
            chance=0.0, is_alive=True,
        )  # fmt: skip
    assert started == 8
