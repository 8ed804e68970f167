"""The next captioner where one fails, and what the caller hears where all do."""

import asyncio
import time
from collections.abc import Callable

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.circuit_breaker import CircuitBreakerSettings
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat.captioner import ModelSettings, OpenAICompatCaptioner
from app.captioning.openai_compat.error_classifier import AskedToWait, NoTimeLeft, RequestFault
from app.errors import CaptionError, Overloaded
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import raw_model_server
from tests.captioning.draft_requests import ask, picture


class Scripted:
    """A captioner that does what it is told; only the chain is under test here."""

    def __init__(self, name: str, *script: CaptionError | str | None) -> None:
        self.name = name
        self.script = list(script)
        self.asked = 0
        self.given_s: list[float] = []
        self.closed = False
        self.usable = True

    def is_usable(self) -> bool:
        return self.usable

    async def draft(self, image: NormalisedImage, ask: DraftRequest, deadline: Deadline) -> Draft:
        self.asked += 1
        self.given_s.append(deadline.left_s())
        said = self.script[min(self.asked, len(self.script)) - 1]
        if isinstance(said, CaptionError):
            raise said
        if said is None:
            await asyncio.sleep(deadline.left_s())
            raise ModelTimeout
        return Draft(said, self.name)

    async def check(self) -> str:
        if isinstance(self.script[0], CaptionError):
            raise self.script[0]
        return f"{self.name} works"

    async def aclose(self) -> None:
        self.closed = True


async def draft(chain: FallbackCaptioner, seconds: float = 5.0) -> Draft:
    return await chain.draft(picture(), ask(), Deadline.after(seconds))


async def fails(chain: FallbackCaptioner, seconds: float = 5.0) -> CaptionError:
    with pytest.raises(CaptionError) as caught:
        await draft(chain, seconds)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailable(retry_after_s=3),
        AskedToWait(retry_after_s=300),
        ModelError(),
        RequestFault(),
        ModelTimeout(),
    ],
)
async def test_the_next_is_asked_where_one_fails(error: CaptionError) -> None:
    """And its name is the draft's."""
    first, second = Scripted("first", error), Scripted("second", "A mug.")
    assert await draft(FallbackCaptioner([first, second])) == Draft("A mug.", "second")


@pytest.mark.parametrize("error", [CaptionRefused(), CaptionUncertain(), Overloaded()])
async def test_a_refusal_is_an_answer(error: CaptionError) -> None:
    """Nobody else is asked then."""
    second = Scripted("second", "A mug.")
    assert await fails(FallbackCaptioner([Scripted("first", error), second])) is error
    assert second.asked == 0


@pytest.mark.parametrize(
    ("errors", "kind", "wait_s"),
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
        ([ModelError(), RequestFault()], "error", None),
    ],
)
async def test_where_all_fail_the_caller_hears_when_to_come_back(
    errors: list[CaptionError], kind: str, wait_s: float | None
) -> None:
    """Unavailable before too slow before wrong; the shortest wait that is known."""
    error = await fails(FallbackCaptioner([Scripted(f"m{n}", e) for n, e in enumerate(errors)]))
    assert (error.code, error.retry_after_s) == (f"model_{kind}", wait_s)


async def test_a_first_one_that_hangs_leaves_time_for_the_second() -> None:
    """Even where its own timeout would let it take all."""
    first, second = Scripted("first", None), Scripted("second", "A mug.")
    assert (await draft(FallbackCaptioner([first, second]), 0.6)).text == "A mug."
    assert first.given_s == [pytest.approx(0.4, abs=0.05)]
    assert second.given_s[0] > 0.1


async def test_the_last_one_has_all_the_time_that_is_left() -> None:
    """Nobody waits for it to fail."""
    alone = Scripted("alone", "A mug.")
    await draft(FallbackCaptioner([alone]), 3)
    assert alone.given_s == [pytest.approx(3, abs=0.1)]
    gone = Scripted("gone", "A mug.")
    gone.usable = False
    first = Scripted("first", "A mug.")
    await draft(FallbackCaptioner([first, gone]), 3)
    assert first.given_s == [pytest.approx(3, abs=0.1)]


async def test_failures_in_a_row_let_it_be_left_alone_and_asked_again_by_itself() -> None:
    """Open, half open, closed; the second captioner works meanwhile."""
    now = [100.0]
    first = Scripted("first", *[ModelUnavailable()] * 5, "Back again.")
    second = Scripted("second", "A mug.")
    chain = FallbackCaptioner([first, second], clock=lambda: now[0])
    for _ in range(8):
        assert (await draft(chain)).model == "second"
    assert first.asked == 5
    assert chain.states() == {"first": "open", "second": "closed"}
    assert chain.is_usable()
    now[0] += 5
    assert chain.states()["first"] == "half_open"
    assert (await draft(chain)).model == "first"
    assert chain.states()["first"] == "closed"


async def test_a_chain_whose_captioners_are_all_left_alone_says_for_how_long() -> None:
    """At once, without asking; and it is not usable, until one may be probed."""
    now = [100.0]
    alone = Scripted("alone", AskedToWait(retry_after_s=60))
    chain = FallbackCaptioner([alone], clock=lambda: now[0])
    assert (await fails(chain)).retry_after_s == 60
    now[0] += 20
    error = await fails(chain)
    assert (error.code, error.retry_after_s, alone.asked) == ("model_unavailable", 40, 1)
    assert not chain.is_usable()
    now[0] += 40
    assert chain.is_usable()


@pytest.mark.parametrize("error", [RequestFault(), NoTimeLeft(), CaptionRefused()])
async def test_what_is_not_the_captioners_fault_never_opens_it(error: CaptionError) -> None:
    """Odd requests, late ones and refusals."""
    alone = Scripted("alone", error)
    chain = FallbackCaptioner([alone])
    for _ in range(20):
        await fails(chain)
    assert (alone.asked, chain.states()) == (20, {"alone": "closed"})


async def test_a_broken_configuration_is_left_alone() -> None:
    """A key that is refused is refused again."""
    alone = Scripted("alone", ModelError())
    chain = FallbackCaptioner([alone], breaker=CircuitBreakerSettings(failures=3))
    for _ in range(5):
        await fails(chain)
    assert alone.asked == 3


async def test_a_probe_that_is_cancelled_blocks_nobody() -> None:
    """The client went away; the next request tries."""
    now = [100.0]
    alone = Scripted("alone", AskedToWait(retry_after_s=60), None, "A mug.")
    chain = FallbackCaptioner([alone], clock=lambda: now[0])
    await fails(chain)
    now[0] += 60
    task = asyncio.create_task(draft(chain))
    await asyncio.sleep(0.05)
    assert (await fails(chain)).retry_after_s == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await draft(chain)).text == "A mug."


async def test_two_captioners_of_one_name_have_two_states() -> None:
    """The same model at two providers."""
    chain = FallbackCaptioner(
        [Scripted("m", AskedToWait(retry_after_s=9)), Scripted("m", "A mug.")]
    )
    await draft(chain)
    assert chain.states() == {"m": "open", "m#2": "closed"}


async def test_checks_say_of_each_what_was_seen() -> None:
    """The chain works while any does."""
    broken = ModelError(log_reason="the key was refused")
    chain = FallbackCaptioner([Scripted("a", broken), Scripted("b", "x")])
    assert await chain.checks() == [("a", broken), ("b", "b works")]
    assert await chain.check() == "the key was refused\nb works"
    with pytest.raises(ModelError, match="key"):
        await FallbackCaptioner([Scripted("a", broken)]).check()


async def test_closing_closes_all() -> None:
    """And an empty chain is a mistake of the wiring."""
    links = [Scripted("a", "x"), Scripted("b", "x")]
    await FallbackCaptioner(links).aclose()
    assert all(link.closed for link in links)
    with pytest.raises(ValueError, match="needs"):
        FallbackCaptioner([])


def remote(base_url: str, **settings: object) -> OpenAICompatCaptioner:
    values = {"model": "first", "base_url": base_url, "timeout_s": 0.3, **settings}
    captioner = OpenAICompatCaptioner(ModelSettings.model_validate(values))
    captioner.warm_up()  # importing the SDK takes longer than some of these timeouts
    return captioner


async def test_over_the_wire_a_model_that_hangs_is_followed_by_the_next(
    start_model_server: Callable[[], LlmockModelServer],
) -> None:
    """The whole of it within the first one's timeout and a little."""
    slow, quick = start_model_server(), start_model_server()
    slow.delay(1)
    quick.reply("A white mug on a table.")
    chain = FallbackCaptioner(
        [remote(slow.base_url), remote(quick.base_url, model="second", timeout_s=3)]
    )
    began_s = time.monotonic()
    found = await draft(chain)
    assert (found.text, found.model) == ("A white mug on a table.", "second")
    assert time.monotonic() - began_s < 0.9
    await chain.aclose()


async def test_over_the_wire_a_long_wait_goes_to_the_next_and_is_then_the_callers(
    start_model_server: Callable[[], LlmockModelServer],
) -> None:
    """Both limited: 503 with the shorter wait, and neither is called again before."""
    one, two = start_model_server(), start_model_server()
    one.fail(429, retry_after=90, times=None)
    two.fail(429, retry_after=40, times=None)
    chain = FallbackCaptioner(
        [remote(one.base_url, timeout_s=3), remote(two.base_url, timeout_s=3)]
    )
    for _ in range(3):
        error = await fails(chain)
        assert isinstance(error, ModelUnavailable)
        assert error.retry_after_s == pytest.approx(40, abs=1)
    assert (len(one.calls()), len(two.calls())) == (1, 1)
    await chain.aclose()


async def test_over_the_wire_many_at_once_share_the_connections() -> None:
    """64 requests in work, one client; no error and no more connections than requests."""
    async with raw_model_server() as model:
        model.complete("A white mug on a table.")
        chain = FallbackCaptioner([remote(model.base_url, timeout_s=5)])
        for _ in range(3):
            drafts = await asyncio.gather(*(draft(chain) for _ in range(64)))
            assert {found.text for found in drafts} == {"A white mug on a table."}
        assert model.connections <= 64
        assert len(model.requests) == 192
        await chain.aclose()
