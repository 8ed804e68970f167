"""Fallback: which captioner is called next, and the caller's error where all fail."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.circuit_breaker import CircuitBreakerSettings
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    DeadlineExceeded,
    ImageNotAccepted,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RequestSpecificError,
    RetryAfterTooLong,
)
from app.captioning.fallback import FallbackCaptioner
from app.errors import CaptionError, Overloaded
from app.runtime import deadline as deadline_module
from app.runtime.deadline import Deadline
from app.token_use import UNKNOWN_TOKEN_USE, TokenUse
from app.types import Draft, NormalisedImage
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft, failed_draft


class ScriptedCaptioner(Captioner):
    """Gives drafts, raises errors or hangs (None), in order; the last one is repeated."""

    def __init__(self, name: str, *script: CaptionError | str | None) -> None:
        self.name = name
        self.script = list(script)
        self.calls = 0
        self.given_s: list[float] = []

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        self.calls += 1
        self.given_s.append(deadline.left_s())
        outcome = self.script[min(self.calls, len(self.script)) - 1]
        if isinstance(outcome, CaptionError):
            raise outcome
        if outcome is None:
            await asyncio.sleep(deadline.left_s())
            raise ModelTimeout
        return Draft(outcome, self.name)


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailable(retry_after_s=3),
        RetryAfterTooLong(retry_after_s=300),
        ModelError(),
        RequestSpecificError(),
        ModelTimeout(),
    ],
)
async def test_the_next_captioner_is_called_where_one_fails(error: CaptionError) -> None:
    """The draft has its name."""
    first, second = ScriptedCaptioner("first", error), ScriptedCaptioner("second", "A mug.")
    made = await draft(FallbackCaptioner([first, second]))
    assert (made.text, made.model) == ("A mug.", "second")


@pytest.mark.parametrize(
    ("error", "uses"),
    [
        (ModelTimeout(), (UNKNOWN_TOKEN_USE,)),
        (ModelError(), (UNKNOWN_TOKEN_USE,)),
        (ImageNotAccepted(), (UNKNOWN_TOKEN_USE,)),
        (ModelUnavailable(), ()),
    ],
)
async def test_tokens_of_a_call_that_failed_are_unknown_unless_the_server_was_away(
    error: CaptionError, uses: tuple[TokenUse, ...]
) -> None:
    """Whether a fallback answers or all fail."""
    first, second = ScriptedCaptioner("first", error), ScriptedCaptioner("second", "A mug.")
    made = await draft(FallbackCaptioner([first, second]))
    assert made.token_uses() == (*uses, TokenUse(None, None))
    failed = await failed_draft(FallbackCaptioner([first, ScriptedCaptioner("third", error)]))
    assert failed.take_token_uses() == uses * 2


async def test_tokens_of_an_earlier_model_are_told_whatever_the_last_one_raises() -> None:
    """Also an error after which no other captioner is asked."""
    chain = [ScriptedCaptioner("first", ModelTimeout()), ScriptedCaptioner("b", Overloaded())]
    failed = await failed_draft(FallbackCaptioner(chain))
    assert isinstance(failed, Overloaded)
    assert failed.take_token_uses() == (UNKNOWN_TOKEN_USE,)


async def test_a_draft_that_is_not_taken_has_its_tokens_counted() -> None:
    """UNCERTAIN of a fallback, where the model may caption the image later."""
    first = ScriptedCaptioner("first", ModelUnavailable())
    failed = await failed_draft(FallbackCaptioner([first, ScriptedCaptioner("b", "UNCERTAIN")]))
    assert failed.take_token_uses() == (TokenUse(None, None),)


@pytest.mark.parametrize("error", [CaptionRefused(), CaptionUncertain(), Overloaded()])
async def test_no_fallback_follows_a_refusal(error: CaptionError) -> None:
    """It is about the image, not the captioner."""
    second = ScriptedCaptioner("second", "A mug.")
    assert (
        await failed_draft(FallbackCaptioner([ScriptedCaptioner("first", error), second])) is error
    )
    assert second.calls == 0


@pytest.mark.parametrize(
    ("errors", "kind", "retry_after_s"),
    [
        (
            [ModelUnavailable(retry_after_s=60), ModelUnavailable(retry_after_s=20)],
            "unavailable",
            20,
        ),
        ([ModelUnavailable(), ModelUnavailable(retry_after_s=20)], "unavailable", 20),
        ([ModelUnavailable(), ModelUnavailable()], "unavailable", None),
        ([ModelTimeout(), ModelUnavailable(retry_after_s=7)], "unavailable", 7),
        ([ModelUnavailable(retry_after_s=7), ModelError()], "unavailable", 7),
        ([ModelError(), ModelTimeout()], "timeout", None),
        ([ModelTimeout(), ModelError()], "timeout", None),
        ([ModelError(), RequestSpecificError()], "error", None),
    ],
)
async def test_where_all_fail_the_error_is_the_one_most_useful_to_the_caller(
    errors: list[CaptionError], kind: str, retry_after_s: float | None
) -> None:
    """Unavailable before timeout before error, with the shortest known wait."""
    captioners = [ScriptedCaptioner(f"m{n}", error) for n, error in enumerate(errors)]
    error = await failed_draft(FallbackCaptioner(captioners))
    assert (error.code, error.retry_after_s) == (f"model_{kind}", retry_after_s)


@pytest.mark.parametrize(
    "error",
    [ModelUnavailable(retry_after_s=7), ModelError(), ModelTimeout(), RequestSpecificError()],
)
@pytest.mark.parametrize("answer", [CaptionRefused(), CaptionUncertain(), "UNCERTAIN"])
async def test_the_refusal_of_a_fallback_is_not_final_while_the_first_captioner_is_away(
    error: CaptionError, answer: CaptionError | str
) -> None:
    """The first captioner may caption the image when it is back."""
    first, second = ScriptedCaptioner("first", error, "A mug."), ScriptedCaptioner("second", answer)
    captioner = FallbackCaptioner([first, second])
    found = await failed_draft(captioner)
    assert (found.code, found.retry_after_s) == (error.code, error.retry_after_s)
    assert (await draft(captioner)).text == "A mug."


@pytest.mark.parametrize("answer", [CaptionRefused(), CaptionUncertain()])
async def test_the_refusal_of_a_fallback_is_final_where_the_first_captioner_cannot_take_the_image(
    answer: CaptionError,
) -> None:
    """Asking again would not help."""
    first, second = ScriptedCaptioner("first", ImageNotAccepted()), ScriptedCaptioner("2nd", answer)
    assert await failed_draft(FallbackCaptioner([first, second])) is answer


async def test_where_no_captioner_can_take_the_image_that_is_final() -> None:
    both = [ScriptedCaptioner(name, ImageNotAccepted()) for name in ("first", "second")]
    assert (await failed_draft(FallbackCaptioner(both))).code == "caption_refused"


async def test_a_captioner_that_hangs_leaves_a_third_of_the_time_to_its_fallback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Although its own timeout is longer."""
    now_s = [1_000.0]
    monkeypatch.setattr(deadline_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    class HangingCaptioner(ScriptedCaptioner):
        async def draft(
            self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
        ) -> Draft:
            self.given_s.append(deadline.left_s())
            now_s[0] += deadline.left_s()
            raise ModelTimeout

    first, second = HangingCaptioner("first"), ScriptedCaptioner("second", "A mug.")
    assert (await draft(FallbackCaptioner([first, second]), 30)).text == "A mug."
    assert first.given_s == [pytest.approx(20)]
    assert second.given_s == [pytest.approx(10)]


async def test_a_captioner_without_a_usable_fallback_has_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the last one, or the breakers after it are open."""
    monkeypatch.setattr(deadline_module, "time", SimpleNamespace(monotonic=lambda: 1_000.0))
    alone = ScriptedCaptioner("alone", "A mug.")
    await draft(FallbackCaptioner([alone]), 3)
    assert alone.given_s == [pytest.approx(3)]
    first = ScriptedCaptioner("first", ModelUnavailable(), "A mug.")
    second = ScriptedCaptioner("second", RetryAfterTooLong(retry_after_s=60))
    captioner = FallbackCaptioner([first, second], clock=lambda: 1_000.0)
    await failed_draft(captioner, 3)
    assert captioner.circuit_states() == {"first": "closed", "second": "open"}
    await draft(captioner, 3)
    assert first.given_s == [pytest.approx(2), pytest.approx(3)]


async def test_a_captioner_that_keeps_failing_is_not_called_until_a_probe_succeeds() -> None:
    """Open, half-open, closed; its fallback is called meanwhile."""
    now_s = [100.0]
    first = ScriptedCaptioner("first", *[ModelUnavailable()] * 5, "Back again.")
    second = ScriptedCaptioner("second", "A mug.")
    captioner = FallbackCaptioner([first, second], clock=lambda: now_s[0])
    for _ in range(8):
        assert (await draft(captioner)).model == "second"
    assert first.calls == 5
    assert captioner.circuit_states() == {"first": "open", "second": "closed"}
    assert captioner.is_usable()
    now_s[0] += 5
    assert captioner.circuit_states()["first"] == "half_open"
    assert (await draft(captioner)).model == "first"
    assert captioner.circuit_states()["first"] == "closed"


async def test_where_every_breaker_is_open_the_caller_gets_the_wait_without_a_call() -> None:
    """It is not usable until a probe may pass."""
    now_s = [100.0]
    alone = ScriptedCaptioner("alone", RetryAfterTooLong(retry_after_s=60))
    captioner = FallbackCaptioner([alone], clock=lambda: now_s[0])
    assert (await failed_draft(captioner)).retry_after_s == 60
    now_s[0] += 20
    error = await failed_draft(captioner)
    assert (error.code, error.retry_after_s, alone.calls) == ("model_unavailable", 40, 1)
    assert not captioner.is_usable()
    now_s[0] += 40
    assert captioner.is_usable()


@pytest.mark.parametrize("error", [RequestSpecificError(), DeadlineExceeded(), CaptionRefused()])
async def test_errors_that_are_not_the_captioners_never_open_its_breaker(
    error: CaptionError,
) -> None:
    """Unusual requests, short deadlines and refusals."""
    alone = ScriptedCaptioner("alone", error)
    captioner = FallbackCaptioner([alone])
    for _ in range(20):
        await failed_draft(captioner)
    assert (alone.calls, captioner.circuit_states()) == (20, {"alone": "closed"})


async def test_a_wrong_configuration_opens_the_breaker() -> None:
    """A key that was refused will be refused again."""
    alone = ScriptedCaptioner("alone", ModelError())
    captioner = FallbackCaptioner([alone], breaker=CircuitBreakerSettings(failure_threshold=3))
    for _ in range(5):
        await failed_draft(captioner)
    assert alone.calls == 3


async def test_a_cancelled_probe_lets_the_next_request_probe() -> None:
    """Its client disconnected."""
    now_s = [100.0]
    alone = ScriptedCaptioner("alone", RetryAfterTooLong(retry_after_s=60), None, "A mug.")
    captioner = FallbackCaptioner([alone], clock=lambda: now_s[0])
    await failed_draft(captioner)
    now_s[0] += 60
    task = asyncio.create_task(draft(captioner))
    while alone.calls < 2:
        await asyncio.sleep(0)
    assert (await failed_draft(captioner)).retry_after_s == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await draft(captioner)).text == "A mug."


async def test_captioners_of_the_same_model_have_breakers_of_their_own() -> None:
    """The same model at two providers."""
    first = ScriptedCaptioner("m", RetryAfterTooLong(retry_after_s=9))
    captioner = FallbackCaptioner([first, ScriptedCaptioner("m", "A mug.")])
    await draft(captioner)
    assert captioner.circuit_states() == {"m": "open", "m#2": "closed"}


def test_a_fallback_without_captioners_is_an_error() -> None:
    """A mistake in the wiring."""
    with pytest.raises(ValueError, match="must not be empty"):
        FallbackCaptioner([])


async def test_a_model_server_that_hangs_is_followed_by_the_next(
    start_model_server: Callable[[], LlmockModelServer], make_captioner: CaptionerFactory
) -> None:
    """After the first one's timeout of 0.3 s, not after its response."""
    fast = start_model_server()
    fast.reply("A white mug on a table.")
    async with raw_model_server() as slow:
        slow.hang()
        first = make_captioner(slow.base_url, timeout_s=0.3)
        first.warm_up()  # importing the SDK takes longer than this timeout
        second = make_captioner(fast.base_url, model="second", timeout_s=15)
        began_s = time.monotonic()
        found = await draft(FallbackCaptioner([first, second]), 25)
        assert (found.text, found.model) == ("A white mug on a table.", "second")
        assert time.monotonic() - began_s < 10


async def test_rate_limited_model_servers_are_not_called_again_before_their_retry_after(
    start_model_server: Callable[[], LlmockModelServer], make_captioner: CaptionerFactory
) -> None:
    """The caller gets the shorter wait of the two."""
    one, two = start_model_server(), start_model_server()
    one.fail(429, retry_after=90, times=None)
    two.fail(429, retry_after=40, times=None)
    captioner = FallbackCaptioner(
        [make_captioner(one.base_url), make_captioner(two.base_url)], clock=lambda: 1_000.0
    )
    for _ in range(3):
        error = await failed_draft(captioner)
        assert isinstance(error, ModelUnavailable)
        assert error.retry_after_s == 40
    assert (len(one.calls()), len(two.calls())) == (1, 1)


async def test_concurrent_drafts_share_connections(make_captioner: CaptionerFactory) -> None:
    """Three times 64 at once use at most 64."""
    async with raw_model_server() as model:
        model.complete("A white mug on a table.")
        captioner = FallbackCaptioner([make_captioner(model.base_url, timeout_s=25)])
        for _ in range(3):
            drafts = await asyncio.gather(*(draft(captioner, 30) for _ in range(64)))
            assert {found.text for found in drafts} == {"A white mug on a table."}
        assert model.connections <= 64
        assert len(model.requests) == 192
