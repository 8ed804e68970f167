"""Which failures are retried, and which stop the run. Time is simulated."""

from dataclasses import replace
from itertools import pairwise

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.request_item import RequestedTexts, RequestItem
from altwright.backfill.request_scheduler import CallOutcome, Now, RequestScheduler, ResultToRecord
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.stop_reason import StopKind
from altwright.backfill.types import Row
from altwright.errors import (
    AltwrightError,
    CaptionRejected,
    ConnectionFailed,
    FieldError,
    ImageNotFound,
    ImageUnreachable,
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
from altwright.scheduler import Finished, Pull, Start, Wait
from altwright.throttle import AdaptiveThrottle

ONE_TEXT = CaptionOptions()
TWO_TEXTS = CaptionOptions(("concise", "seo"), ("en",))


def caption(style: str = "concise", locale: str = "en") -> Caption:
    """As a server returns it."""
    return Caption(
        caption=f"A mug, {style}.", style=style, locale=locale, decorative=False,
        truncated=False, warnings=(), model="m", usage=Usage(100, 10),
        image=ImageFacts(4, 3, "jpeg", 9, "abc", 4, 3), metadata={},
    )  # fmt: skip


def failed(style: str, code: str = "model_timeout", status: int = 504) -> FailedCaption:
    """One of several results."""
    kind = ModelUnavailable if status == 503 else ModelTimeout
    return FailedCaption(style, "en", kind(code, status=status, code=code))


class SimulatedRun:
    """A run of a few requests, and a clock that only moves on."""

    def __init__(self, options: CaptionOptions = TWO_TEXTS, *, requests: int = 1) -> None:
        self.now_s = 100.0
        self.scheduler = RequestScheduler(
            AdaptiveThrottle(concurrency=8, per_second=None), concurrency=8, patience_s=600,
            longest_wait_s=900,
        )  # fmt: skip
        self._options = options
        self._requests = requests

    def add(self, request: PendingRequest) -> None:
        """Add a request, as the run does on Pull."""
        self.scheduler.add(RequestItem(request, self._options))

    def next_action(self) -> Start[RequestItem] | Wait | Finished:
        """The next action; waits with a timeout are waited out."""
        while True:
            action = self.scheduler.next_action(self.now_s)
            if isinstance(action, Pull):
                if self._requests:
                    self._requests -= 1
                    name = f"request-{self._requests}"
                    self.add(PendingRequest(name, Row("1", "http://x/1.jpg"), 1, None))
                else:
                    self.scheduler.close_input()
            elif isinstance(action, Wait) and action.timeout_s is not None:
                self.now_s += action.timeout_s
            else:
                return action

    def end_try(
        self, item: RequestItem, outcome: CallOutcome, *, is_server_alive: bool = True
    ) -> ResultToRecord | None:
        """End a try that was started, at the same time."""
        now = Now(self.now_s, unix_s=1e9, jitter=0.0)
        requested = item.next_texts()
        return self.scheduler.end_try(
            item, requested, outcome, now, is_server_alive=is_server_alive
        )

    def call(
        self, outcome: CallOutcome, *, is_server_alive: bool = True
    ) -> tuple[RequestedTexts, ResultToRecord | None]:
        """Start the next try and end it: what it requested, and what is to be recorded."""
        action = self.next_action()
        assert isinstance(action, Start), action
        requested = action.item.next_texts()
        recorded = self.end_try(action.item, outcome, is_server_alive=is_server_alive)
        self.scheduler.release()
        return requested, recorded


def test_a_request_is_tried_four_times_with_waits_of_two_four_and_eight_seconds() -> None:
    run = SimulatedRun()
    started_s: list[float] = []
    for _ in range(4):
        action = run.next_action()
        assert isinstance(action, Start)
        started_s.append(run.now_s)
        recorded = run.end_try(action.item, ModelTimeout("slow", status=504))
        run.scheduler.release()
    assert [round(b - a) for a, b in pairwise(started_s)] == [2, 4, 8]
    assert recorded is not None
    assert recorded.is_complete
    assert (recorded.result.code, recorded.result.attempts) == ("model_timeout", 4)
    assert isinstance(run.next_action(), Finished)


def test_a_failure_that_is_not_retryable_is_not_retried() -> None:
    _, recorded = SimulatedRun().call(ImageNotFound("gone", status=422))
    assert recorded is not None
    assert recorded.is_complete
    assert (recorded.result.code, recorded.result.attempts) == ("image_not_found", 1)


def test_a_row_that_cannot_be_sent_does_not_count_as_a_call() -> None:
    _, recorded = SimulatedRun().call(UsageError("no URL"))
    assert recorded is not None
    assert recorded.is_complete
    assert (recorded.result.code, recorded.result.attempts) == ("wrong_use", 0)


def test_only_missing_texts_are_requested_again() -> None:
    run = SimulatedRun()
    requested, recorded = run.call([caption(), failed("seo")])
    assert requested == RequestedTexts(("concise", "seo"), ("en",))
    assert recorded is not None
    assert not recorded.is_complete
    assert [text.style for text in recorded.result.texts] == ["concise"]
    requested, recorded = run.call([caption("seo")])
    assert requested == RequestedTexts(("seo",), ("en",))
    assert recorded is not None
    assert recorded.is_complete
    assert [text.style for text in recorded.result.texts] == ["concise", "seo"]


def test_texts_that_an_earlier_run_paid_for_are_not_requested_again() -> None:
    run = SimulatedRun()
    _, recorded = run.call([caption(), failed("seo")])
    assert recorded is not None
    assert not recorded.is_complete
    later = SimulatedRun(requests=0)
    later.add(PendingRequest("request", Row("1", "http://x/1.jpg"), 1, recorded.result))
    requested, _ = later.call([caption("seo")])
    assert requested.styles == ("seo",)


def test_missing_texts_that_form_no_grid_are_requested_style_by_style() -> None:
    run = SimulatedRun(CaptionOptions(("concise", "seo"), ("en", "de")))
    first = [caption(), failed("concise"), failed("seo"), caption("seo", "de")]
    first[1] = replace(first[1], locale="de")
    run.call(first)
    assert run.call([caption("concise", "de")])[0] == RequestedTexts(("concise",), ("de",))
    assert run.call([caption("seo", "en")])[0] == RequestedTexts(("seo",), ("en",))


def test_a_rejected_draft_is_kept_for_review() -> None:
    error = CaptionRejected(
        "rejected", status=422, draft="Image of a mug", reasons=[Reason("opener", "begins so")]
    )
    _, recorded = SimulatedRun(ONE_TEXT).call(error)
    assert recorded is not None
    assert recorded.is_complete
    [text] = recorded.result.texts
    assert (text.code, text.draft, text.reasons) == (
        "caption_rejected", "Image of a mug", ("opener",)
    )  # fmt: skip


def test_refusals_are_waited_out_and_do_not_count_as_tries() -> None:
    run = SimulatedRun(ONE_TEXT)
    for _ in range(10):
        before_s = run.now_s
        _, recorded = run.call(RateLimited("slow down", status=429, retry_after=30))
        assert recorded is None
        assert run.now_s - before_s in (0, pytest.approx(30))
    _, recorded = run.call([caption()])
    assert recorded is not None
    assert recorded.is_complete


def test_a_long_retry_after_is_a_quota_and_stops_the_run() -> None:
    run = SimulatedRun(ONE_TEXT)
    run.call(ModelUnavailable("no more today", status=503, retry_after=7_200))
    assert run.scheduler.stop_reason is not None
    assert run.scheduler.stop_reason.kind is StopKind.LATER
    assert run.scheduler.stop_reason.retry_at_unix_s == 1e9 + 7_200
    assert isinstance(run.next_action(), Finished)


def test_after_all_texts_are_refused_one_is_requested_for_its_retry_after() -> None:
    run = SimulatedRun()
    refused = [failed("concise", "model_unavailable", 503), failed("seo", "model_unavailable", 503)]
    run.call(refused)
    requested, _ = run.call(ModelUnavailable("no more", status=503, retry_after=7_200))
    assert requested == RequestedTexts(("concise",), ("en",))
    assert run.scheduler.stop_reason is not None


def test_an_unreachable_server_stops_the_run_after_patience_s_and_fails_no_row() -> None:
    run = SimulatedRun(ONE_TEXT)
    down = ConnectionFailed("refused")
    down.reached = False
    while run.scheduler.stop_reason is None:
        assert run.call(down, is_server_alive=False)[1] is None
        assert run.now_s < 100 + 700
    assert run.scheduler.stop_reason.kind is StopKind.LATER
    assert run.now_s > 100 + 590


def test_a_broken_connection_to_a_running_server_counts_as_a_try() -> None:
    run = SimulatedRun(ONE_TEXT)
    *first, last = (run.call(ConnectionFailed("reset"))[1] for _ in range(4))
    assert first == [None] * 3
    assert last is not None
    assert last.is_complete
    assert last.result.code == "connection_failed"


def test_a_503_of_a_proxy_means_that_the_server_is_unavailable() -> None:
    run = SimulatedRun(ONE_TEXT)
    for _ in range(6):
        assert run.call(UnexpectedResponse("a page", status=503))[1] is None


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
def test_an_error_that_every_row_would_have_stops_the_run(
    error: AltwrightError, why: StopKind
) -> None:
    run = SimulatedRun(requests=3)
    assert run.call(error)[1] is None
    assert run.scheduler.stop_reason is not None
    assert run.scheduler.stop_reason.kind is why


def test_a_wrong_image_url_fails_only_its_row() -> None:
    error = InvalidRequest("x", status=422, errors=[FieldError("image_url", "no URL")])
    run = SimulatedRun(ONE_TEXT)
    _, recorded = run.call(error)
    assert recorded is not None
    assert recorded.is_complete
    assert run.scheduler.stop_reason is None


def test_a_result_that_is_not_recorded_counts_as_in_flight() -> None:
    run = SimulatedRun(ONE_TEXT, requests=50)
    started = 0
    while isinstance(action := run.next_action(), Start):
        started += 1
        run.end_try(action.item, [caption()])
    assert started == 8


@pytest.mark.parametrize("status", [400, 403, 413, 414, 451])
def test_a_row_that_a_proxy_refuses_fails_alone(status: int) -> None:
    run = SimulatedRun(ONE_TEXT, requests=2)
    _, recorded = run.call(UnexpectedResponse("a page", status=status))
    assert recorded is not None
    assert recorded.result.code == "unexpected_answer"
    assert run.call([caption()])[1] is not None
    assert run.next_action() == Finished()
    assert run.scheduler.stop_reason is None


def test_a_block_page_with_status_200_fails_its_row_where_others_were_accepted() -> None:
    run = SimulatedRun(ONE_TEXT, requests=2)
    assert run.call([caption()])[1] is not None
    _, recorded = run.call(UnexpectedResponse("a page", status=200))
    assert recorded is not None
    assert run.scheduler.stop_reason is None


def test_a_proxy_that_refuses_everything_stops_the_run_before_all_rows_fail() -> None:
    run = SimulatedRun(ONE_TEXT, requests=60)
    failed_rows = 0
    while run.call(UnexpectedResponse("a page", status=403))[1] is not None:
        failed_rows += 1
    assert failed_rows == 49
    assert run.scheduler.stop_reason is not None
    assert run.scheduler.stop_reason.kind is StopKind.WRONG_SERVER


def test_a_proxy_that_refuses_the_probe_too_stops_the_run_at_once() -> None:
    run = SimulatedRun(ONE_TEXT)
    assert run.call(UnexpectedResponse("a page", status=403), is_server_alive=False)[1] is None
    assert run.scheduler.stop_reason is not None


def test_keywords_that_the_server_refuses_are_one_rows_fault() -> None:
    run = SimulatedRun(ONE_TEXT, requests=2)
    error = InvalidRequest("x", status=422, errors=[FieldError("keywords.0", "too long")])
    assert run.call(error)[1] is not None
    assert run.scheduler.stop_reason is None


def test_a_wait_of_one_picture_over_the_longest_wait_is_left_to_the_next_run() -> None:
    run = SimulatedRun(ONE_TEXT)
    error = ImageUnreachable("origin", status=502, retry_after=3_600.0, code="image_unreachable")
    _, recorded = run.call(error)
    assert recorded is not None
    assert recorded.result.code == "image_unreachable"
    assert run.now_s == 100.0


def test_pictures_that_wait_for_their_origin_do_not_keep_others_waiting() -> None:
    run = SimulatedRun(ONE_TEXT, requests=60)
    error = ImageUnreachable("origin", status=502, retry_after=600.0, code="image_unreachable")
    for _ in range(40):
        assert run.call(error)[1] is None
    assert run.now_s < 200.0
    assert run.call([caption()])[1] is not None
    assert run.now_s < 200.0
