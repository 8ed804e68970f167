"""The steps from a request to a caption; only the captioner is always a double."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.captioning.styles.loader import load_styles
from app.drafting import CaptionRejected, Drafting
from app.errors import CaptionError, Overloaded
from app.fetching.errors import ImageTimeout
from app.fetching.fetcher import Fetcher, FetchSettings
from app.imaging.errors import ImageCorrupt
from app.imaging.normaliser import ImageSettings, Normaliser
from app.pipeline import Pipeline
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.semaphore import WeightedSemaphore
from app.telemetry import request_context
from app.telemetry.metrics import Metrics
from app.token_use import UNKNOWN_TOKEN_USE, TokenPrice, TokenUse
from app.types import (
    Caption,
    CaptionRequest,
    Draft,
    NormalisedImage,
    SourceFacts,
    SourceImage,
    Style,
)
from app.validation import validation_pool as validation_pool_module
from app.validation.validation_pool import ValidationPool
from app.validation.verdict import Verdict
from app.workers.pool import WorkerPool
from testing.images import data_url, jpeg

SOURCE = jpeg((320, 240))
REQUEST = CaptionRequest(image_url=data_url(SOURCE), style="concise", caller="anna")
IMAGE = NormalisedImage(b"jpeg", 160, 120, SourceFacts(320, 240, "jpeg", len(SOURCE), "0" * 64))
GOOD = "A round blue disc in the middle of a plain white ground."
TOO_SHORT = "Blue."
SENTENCES = (
    "A round blue disc lies in the middle of a plain white ground. Its edge is sharp and even, "
    "without any shadow. Nothing else can be seen near it, and the light comes from all sides. "
    "The colour is the same from the left to the right, a deep and rather cold kind of blue."
)
LOOP = "A " + "blue disc " * 25
STYLES = load_styles()
PRICE = TokenPrice(Decimal("0.15"), Decimal("0.60"), "USD")


@dataclass
class ScriptedCaptioner:
    """Drafts in the order of a script; each takes `seconds`, or ends at the deadline."""

    script: list[str | Draft | CaptionError]
    seconds: float = 0.0
    name: str = "m"
    identity: str = ""
    requests: list[DraftRequest] = field(default_factory=list)
    images: list[NormalisedImage] = field(default_factory=list)
    cancelled: int = 0

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        self.requests.append(request)
        self.images.append(image)
        try:
            async with deadline.timeout():
                await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except TimeoutError:
            raise ModelTimeout(log_reason="the captioner's own") from None
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, CaptionError):
            raise answer
        return answer if isinstance(answer, Draft) else Draft(answer, self.name)


@dataclass
class FixedNormaliser:
    """Gives one image for every source, or an error, after `seconds`."""

    outcome: NormalisedImage | CaptionError = IMAGE
    seconds: float = 0.0
    sources: list[str] = field(default_factory=list)

    async def normalise(
        self, source: SourceImage, deadline: Deadline, *, caller: str = ""
    ) -> NormalisedImage:
        self.sources.append(caller)
        await asyncio.sleep(self.seconds)
        if isinstance(self.outcome, CaptionError):
            raise self.outcome
        return self.outcome


@dataclass
class MemoryCache:
    """A caption cache without Redis."""

    captions: dict[object, Caption] = field(default_factory=dict)

    async def get(self, key: object, image: NormalisedImage, _style: Style) -> Caption | None:
        found = self.captions.get(key)
        return found and replace(found, cached=True, input_tokens=0, output_tokens=0, token_uses=())

    async def put(self, key: object, caption: Caption) -> None:
        self.captions[key] = caption


def make_pipeline(*script: str | Draft | CaptionError, **parts: object) -> Pipeline:
    """A pipeline over real parts, but for the captioner and for what needs child processes."""
    seconds = parts.pop("seconds", 0.0)
    budget = parts.pop("budget", None) or WeightedSemaphore(1 << 28)
    metrics = parts.pop("metrics", None) or Metrics()
    drafting = {
        "captioner": ScriptedCaptioner(list(script), seconds),
        "validation_pool": ValidationPool(),
        "styles": STYLES,
        "metrics": metrics,
    }
    drafting |= {name: parts.pop(name) for name in list(parts) if name in drafting}
    return Pipeline(
        **{
            "fetcher": Fetcher(FetchSettings(), budget),
            "normaliser": FixedNormaliser(),
            "drafting": Drafting(**drafting),
            "drain": Drain(),
            "metrics": metrics,
            **parts,
        }
    )


def soon() -> Deadline:
    return Deadline.after(30)


async def failure(work: Awaitable[object]) -> CaptionError:
    with pytest.raises(CaptionError) as caught:
        await work
    return caught.value


def count(pipeline: Pipeline, name: str, **labels: str) -> float:
    return pipeline.metrics._registry.get_sample_value(f"altwright_{name}", labels) or 0.0


@pytest.fixture
async def validation_pool() -> AsyncIterator[ValidationPool]:
    pool = ValidationPool()
    await pool.start()
    yield pool
    await pool.aclose()


# Draft and validate


async def test_a_draft_that_breaks_no_rule_becomes_the_caption() -> None:
    pipeline = make_pipeline(Draft(GOOD, "m", input_tokens=900, output_tokens=12))
    request = replace(
        REQUEST,
        locale="en-GB",
        context="Discs",
        role="inline",
        keywords=("disc",),
        max_tokens=80,
        visible_text="Our disc",
    )
    assert await pipeline.caption(request, soon()) == Caption(
        text=GOOD,
        style="concise",
        locale="en-GB",
        decorative=False,
        truncated=False,
        warnings=("keywords_unused",),
        model="m",
        input_tokens=900,
        output_tokens=12,
        source=IMAGE.source,
        sent_width_px=160,
        sent_height_px=120,
        cached=None,
        token_uses=(TokenUse(900, 12),),
    )
    assert pipeline.drafting.captioner.requests == [
        DraftRequest(
            STYLES["concise"],
            "en-GB",
            80,
            "Discs",
            "inline",
            ("disc",),
            visible_text="Our disc",
            caller="anna",
        )
    ]


async def test_a_small_source_is_warned_of_and_what_the_model_saw_is_reported() -> None:
    """A decorative image needs no text, so nothing is lost and there is no warning."""
    small = replace(IMAGE, is_small_source=True)
    pipeline = make_pipeline(
        Draft(GOOD, "m", sent_px=(208, 208)), Draft(GOOD, "m"), Draft("DECORATIVE", "m")
    )
    seen = await pipeline._caption(small, REQUEST, soon())
    assert seen.warnings == ("small_source",)
    assert (seen.sent_width_px, seen.sent_height_px) == (208, 208)
    by_embedded = await pipeline._caption(small, REQUEST, soon())
    assert (by_embedded.sent_width_px, by_embedded.sent_height_px) == (160, 120)
    decorative = await pipeline._caption(small, REQUEST, soon())
    assert (decorative.decorative, decorative.warnings) == (True, ())


async def test_a_rejected_draft_is_asked_for_again_with_the_reasons() -> None:
    """The tokens of both drafts are counted."""
    pipeline = make_pipeline(
        Draft(TOO_SHORT, "m", False, False, 900, 2), Draft(GOOD, "m", False, False, 950, 12)
    )
    caption = await pipeline.caption(REQUEST, soon())
    assert (caption.text, caption.input_tokens, caption.output_tokens) == (GOOD, 1850, 14)
    first, second = pipeline.drafting.captioner.requests
    assert first.rejected is None
    assert second == replace(first, rejected=second.rejected)
    assert second.rejected.draft == TOO_SHORT
    assert second.rejected.reasons == ("It is 5 characters long; 8 is the least.",)
    assert count(pipeline, "rejected_drafts_total", rule="too_short") == 1
    assert count(pipeline, "captions_total", style="concise", model="m", outcome="caption") == 1


async def test_the_model_that_has_answered_is_told_and_counted() -> None:
    """Also where the caption comes from the cache, which asks for the configured name."""
    pipeline = make_pipeline(Draft(GOOD, "m", served_model="m-2026"), cache=MemoryCache())
    for _ in range(2):
        caption = await pipeline.caption(REQUEST, soon())
        assert (caption.model, caption.answering_model) == ("m", "m-2026")
    served = {"style": "concise", "model": "m-2026", "outcome": "caption"}
    assert count(pipeline, "captions_total", **served) == 2


def test_the_names_of_models_in_the_metrics_are_bounded() -> None:
    """A server that makes up a name for each response."""
    metrics = Metrics()
    for number in range(200):
        metrics.observe_caption("concise", f"model-{number}", "caption")
    lines = metrics.exposition().decode().splitlines()
    counted = [line for line in lines if line.startswith("altwright_captions_total{")]
    assert len(counted) == 51
    assert any('model="other"' in line and line.endswith(" 150.0") for line in counted)


async def test_the_token_ceiling_is_held_for_each_draft_by_itself() -> None:
    """Two drafts of 60 tokens each are within a ceiling of 64; their sum is not."""
    style = replace(STYLES["concise"], max_chars=400, max_sentences=9, max_word_repeats=None)
    pipeline = make_pipeline(
        Draft(TOO_SHORT, "m", output_tokens=60),
        Draft(SENTENCES, "m", output_tokens=60),
        styles={"concise": style},
    )
    caption = await pipeline.caption(REQUEST, soon())
    assert (caption.text, caption.truncated) == (SENTENCES, False)
    assert caption.output_tokens == 120


async def test_tokens_are_unknown_where_one_drafts_tokens_are() -> None:
    pipeline = make_pipeline(TOO_SHORT, Draft(GOOD, "m", input_tokens=950, output_tokens=12))
    caption = await pipeline.caption(REQUEST, soon())
    assert (caption.input_tokens, caption.output_tokens) == (None, None)


async def test_the_tokens_of_all_drafts_are_told_also_where_there_is_no_caption() -> None:
    first, second = (Draft(TOO_SHORT, "m", input_tokens=n, output_tokens=1) for n in (100, 200))
    good = Draft(GOOD, "m", input_tokens=300, output_tokens=9, price=PRICE)
    caption = await make_pipeline(first, good).caption(REQUEST, soon())
    assert caption.token_uses == (TokenUse(100, 1), TokenUse(300, 9, PRICE))
    rejected = await failure(make_pipeline(first, second).caption(REQUEST, soon()))
    assert rejected.take_token_uses() == (TokenUse(100, 1), TokenUse(200, 1))
    timeout = ModelTimeout()
    timeout.token_uses = (UNKNOWN_TOKEN_USE,)
    late = await failure(make_pipeline(first, timeout).caption(REQUEST, soon()))
    assert late.take_token_uses() == (TokenUse(100, 1), UNKNOWN_TOKEN_USE)
    assert late.take_token_uses() == ()


async def test_a_draft_without_a_model_takes_no_tokens() -> None:
    caption = await make_pipeline(Draft(GOOD, "m", is_free=True)).caption(REQUEST, soon())
    assert (caption.token_uses, caption.input_tokens) == ((), None)


async def test_requests_that_share_a_draft_or_a_failure_count_its_tokens_once() -> None:
    for script in (GOOD, TOO_SHORT):
        draft = Draft(script, "m", input_tokens=100, output_tokens=1)
        pipeline = make_pipeline(draft, cache=MemoryCache(), seconds=0.05)
        results = await asyncio.gather(
            *(pipeline.caption(REQUEST, soon()) for _ in range(3)), return_exceptions=True
        )
        uses = [
            use
            for one in results
            for use in (one.token_uses if isinstance(one, Caption) else one.take_token_uses())
        ]
        assert uses == [TokenUse(100, 1)] * len(pipeline.drafting.captioner.requests)


async def test_two_rejected_drafts_are_an_error_with_the_last_draft_and_its_reasons() -> None:
    pipeline = make_pipeline(TOO_SHORT, Draft(LOOP, "m", output_tokens=60))
    error = await failure(pipeline.caption(REQUEST, soon()))
    assert isinstance(error, CaptionRejected)
    assert error.extra["draft"] == LOOP.strip()
    assert [reason["code"] for reason in error.extra["reasons"]] == ["loop", "too_long"]
    assert len(pipeline.drafting.captioner.requests) == 2
    for rule, drafts in (("too_short", 1), ("loop", 1), ("too_long", 1)):
        assert count(pipeline, "rejected_drafts_total", rule=rule) == drafts


async def test_a_long_rejected_draft_is_shown_in_part(validation_pool: ValidationPool) -> None:
    drafts = Draft("A blue disc " * 170, "m", output_tokens=256)
    pipeline = make_pipeline(drafts, validation_pool=validation_pool)
    error = await failure(pipeline.caption(replace(REQUEST, max_tokens=256), soon()))
    assert len(error.extra["draft"]) == 2_000
    assert len(pipeline.drafting.captioner.requests[1].rejected.draft) == 2_000


async def test_a_long_draft_is_validated_in_a_child_process(
    validation_pool: ValidationPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the one that is rejected and the one after it."""

    def never(*_: object, **__: object) -> Verdict:
        raise AssertionError("validated on the event loop")

    monkeypatch.setattr(validation_pool_module, "validate_draft", never)
    pipeline = make_pipeline(LOOP * 10, GOOD + " " * 3_000, validation_pool=validation_pool)
    assert (await pipeline.caption(REQUEST, soon())).text == GOOD
    assert count(pipeline, "rejected_drafts_total", rule="loop") == 1


async def test_a_long_draft_that_is_not_validated_in_time_is_overloaded() -> None:
    """This pool has no child process."""
    pipeline = make_pipeline(GOOD + " " * 3_000)
    assert isinstance(await failure(pipeline.caption(REQUEST, soon())), Overloaded)


async def test_a_decorative_image_has_an_empty_caption() -> None:
    pipeline = make_pipeline("DECORATIVE")
    caption = await pipeline.caption(REQUEST, soon())
    assert (caption.text, caption.decorative) == ("", True)
    assert count(pipeline, "captions_total", style="concise", model="m", outcome="decorative") == 1


@pytest.mark.parametrize(
    ("drafts", "error"),
    [
        (["UNCERTAIN"], CaptionUncertain),
        (["I'm sorry, I can't help with that."], CaptionRefused),
        ([TOO_SHORT, "UNCERTAIN"], CaptionUncertain),
        ([TOO_SHORT, "I'm sorry, I can't help with that."], CaptionRefused),
    ],
)
async def test_uncertain_and_refused_drafts_are_errors(
    drafts: list[str], error: type[CaptionError]
) -> None:
    """They are final: no draft follows."""
    pipeline = make_pipeline(*drafts)
    assert type(await failure(pipeline.caption(REQUEST, soon()))) is error
    assert len(pipeline.drafting.captioner.requests) == len(drafts)
    outcome = {"style": "concise", "model": "m", "outcome": error.code}
    assert count(pipeline, "captions_total", **outcome) == 1


# Several captions of one image


async def test_one_failing_caption_does_not_lose_the_others() -> None:
    """In the order asked, from one fetch and one normalisation."""
    pipeline = make_pipeline(GOOD, ModelError(), GOOD)
    requests = [replace(REQUEST, style=style) for style in ("concise", "detailed", "seo")]
    first, second, third = await pipeline.captions(requests, soon())
    assert (first.style, first.text) == ("concise", GOOD)
    assert isinstance(second, ModelError)
    assert (third.style, third.text) == ("seo", GOOD)
    assert pipeline.normaliser.sources == ["anna"]
    assert [request.style.name for request in pipeline.drafting.captioner.requests] == [
        "concise",
        "detailed",
        "seo",
    ]
    for step, times in (("fetch", 1), ("normalise", 1), ("caption", 3)):
        assert count(pipeline, "stage_seconds_count", stage=step) == times


@pytest.mark.parametrize(("places", "at_once"), [(12, 12), (6, 6), (1, 4)])
async def test_captions_of_one_request_are_made_as_many_at_a_time_as_it_has_places(
    places: int, at_once: int
) -> None:
    """A third of them in any case."""

    class Counting(ScriptedCaptioner):
        now = most = 0

        async def draft(
            self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
        ) -> Draft:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            self.now -= 1
            return await super().draft(image, request, deadline)

    captioner = Counting([GOOD] * 12)
    pipeline = make_pipeline(captioner=captioner)
    captions = await pipeline.captions([REQUEST] * 12, soon(), side_by_side=places)
    assert [caption.text for caption in captions] == [GOOD] * 12
    assert captioner.most == at_once


async def test_a_failing_image_is_the_whole_outcome() -> None:
    pipeline = make_pipeline(GOOD, normaliser=FixedNormaliser(ImageCorrupt()))
    error = await failure(pipeline.captions([REQUEST, REQUEST], soon()))
    assert isinstance(error, ImageCorrupt)
    assert not pipeline.drafting.captioner.requests


# Deadlines


class HangingFetcher:
    """Never fetches anything, whatever the deadline is."""

    @asynccontextmanager
    async def fetch(
        self, image_url: str, deadline: Deadline, *, caller: str = ""
    ) -> AsyncIterator[SourceImage]:
        await asyncio.sleep(10_000)
        yield SourceImage(b"", "jpeg")


class HangingCaptioner(ScriptedCaptioner):
    """Never drafts anything, whatever the deadline is."""

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        await asyncio.sleep(10_000)
        raise AssertionError


HANGING = {
    "fetch": ({"fetcher": HangingFetcher()}, ImageTimeout),
    "normalise": ({"normaliser": FixedNormaliser(seconds=10_000)}, Overloaded),
    "caption": ({"captioner": HangingCaptioner([GOOD])}, ModelTimeout),
}


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("step", HANGING)
async def test_a_step_that_overruns_the_deadline_is_stopped_with_its_own_error(step: str) -> None:
    """A second later, so that a step that keeps its deadline is never cut short."""
    parts, error = HANGING[step]
    began_s = asyncio.get_running_loop().time()
    found = await failure(make_pipeline(GOOD, **parts).caption(REQUEST, Deadline.after(5)))
    assert type(found) is error
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(6)
    assert found.retry_after_s == (1 if step == "normalise" else None)
    # A model may have been called, and its answer is paid.
    assert found.take_token_uses() == ((UNKNOWN_TOKEN_USE,) if step == "caption" else ())


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("step", HANGING)
async def test_a_draining_server_stops_every_step_with_its_own_error(step: str) -> None:
    parts, error = HANGING[step]
    pipeline = make_pipeline(GOOD, **parts)
    began_s = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(failure(pipeline.caption(REQUEST, Deadline.after(60))))
    await asyncio.sleep(2)
    pipeline.drain.shorten_timeouts(13)
    assert type(await waiting) is error
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(15)


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("error", [Overloaded, ModelTimeout, ModelUnavailable])
async def test_at_the_deadline_the_steps_own_error_reaches_the_caller(
    error: type[CaptionError],
) -> None:
    """A captioner that waited for a worker until then says `overloaded`, not `model_timeout`."""

    class Waiting(HangingCaptioner):
        async def draft(
            self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
        ) -> Draft:
            await asyncio.sleep(deadline.left_s())
            raise error(log_reason="mine", retry_after_s=7)

    pipeline = make_pipeline(captioner=Waiting([]))
    found = await failure(pipeline.caption(REQUEST, Deadline.after(5)))
    assert (type(found), found.log_reason, found.retry_after_s) == (error, "mine", 7)


async def test_a_timeout_that_is_a_bug_is_not_taken_for_the_deadline() -> None:
    class Broken(ScriptedCaptioner):
        async def draft(
            self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
        ) -> Draft:
            raise TimeoutError

    pipeline = make_pipeline(captioner=Broken([]))
    with pytest.raises(TimeoutError):
        await pipeline.caption(REQUEST, soon())
    assert count(pipeline, "captions_total", style="concise", model="m", outcome="failed") == 1


# The cache and equal requests in flight


async def test_a_cached_caption_asks_no_captioner() -> None:
    pipeline = make_pipeline(Draft(GOOD, "m", False, False, 900, 12), cache=MemoryCache())
    made = await pipeline.caption(REQUEST, soon())
    cached = await pipeline.caption(REQUEST, soon())
    assert (made.cached, made.input_tokens, made.output_tokens) == (False, 900, 12)
    assert cached == replace(made, cached=True, input_tokens=0, output_tokens=0, token_uses=())
    assert len(pipeline.drafting.captioner.requests) == 1
    assert count(pipeline, "captions_total", style="concise", model="m", outcome="caption") == 2


async def test_another_request_is_not_answered_from_the_cache() -> None:
    pipeline = make_pipeline(GOOD, cache=MemoryCache())
    for request in (REQUEST, replace(REQUEST, context="Discs"), replace(REQUEST, style="seo")):
        assert (await pipeline.caption(request, soon())).cached is False


async def test_a_caption_without_the_text_that_could_not_be_read_is_not_cached() -> None:
    """The next request may get the text."""
    pipeline = make_pipeline(Draft(GOOD, "m", is_complete=False), GOOD, cache=MemoryCache())
    captions = [await pipeline.caption(REQUEST, soon()) for _ in range(3)]
    assert [caption.cached for caption in captions] == [False, False, True]


async def test_the_caption_of_the_same_model_at_a_fallbacks_server_is_not_cached() -> None:
    pipeline = make_pipeline(Draft(GOOD, "m", is_fallbacks=True), GOOD, cache=MemoryCache())
    captions = [await pipeline.caption(REQUEST, soon()) for _ in range(3)]
    assert [caption.cached for caption in captions] == [False, False, True]


async def test_a_caption_made_under_other_parameters_is_not_served() -> None:
    """The operator changed MODEL_PARAMS or the server, and the cache is the same."""
    cache = MemoryCache()
    for identity in ("one", "two"):
        captioner = ScriptedCaptioner([GOOD], identity=identity)
        pipeline = make_pipeline(GOOD, captioner=captioner, cache=cache)
        assert (await pipeline.caption(REQUEST, soon())).cached is False
        assert (await pipeline.caption(REQUEST, soon())).cached is True


async def test_the_caption_of_a_fallback_is_not_cached() -> None:
    """It must not outlive the fallback."""
    pipeline = make_pipeline(Draft(GOOD, "embedded"), GOOD, cache=MemoryCache())
    first, second = [await pipeline.caption(REQUEST, soon()) for _ in range(2)]
    assert (first.model, first.cached) == ("embedded", False)
    assert (second.model, second.cached) == ("m", False)


@pytest.mark.parametrize("error", [CaptionRefused, ModelUnavailable, Overloaded])
async def test_a_failure_is_not_cached(error: type[CaptionError]) -> None:
    pipeline = make_pipeline(error(), GOOD, cache=MemoryCache())
    assert type(await failure(pipeline.caption(REQUEST, soon()))) is error
    assert (await pipeline.caption(REQUEST, soon())).text == GOOD


@pytest.mark.usefixtures("virtual_time")
async def test_equal_requests_in_flight_are_drafted_once() -> None:
    """Its tokens are counted once, and each of the requests counts as a caption."""
    pipeline = make_pipeline(
        Draft(GOOD, "m", False, False, 900, 12), seconds=1, cache=MemoryCache()
    )
    captions = await asyncio.gather(*(pipeline.caption(REQUEST, soon()) for _ in range(10)))
    assert len(pipeline.drafting.captioner.requests) == 1
    assert [caption.text for caption in captions] == [GOOD] * 10
    assert sorted((caption.cached, caption.input_tokens) for caption in captions) == [
        (False, 900),
        *[(True, 0)] * 9,
    ]
    assert count(pipeline, "captions_total", style="concise", model="m", outcome="caption") == 10


@pytest.mark.usefixtures("virtual_time")
async def test_without_a_cache_equal_requests_are_made_apart() -> None:
    pipeline = make_pipeline(GOOD, seconds=1)
    captions = await asyncio.gather(*(pipeline.caption(REQUEST, soon()) for _ in range(2)))
    assert len(pipeline.drafting.captioner.requests) == 2
    assert [caption.cached for caption in captions] == [None, None]


@pytest.mark.usefixtures("virtual_time")
async def test_a_request_does_not_inherit_the_timeout_of_an_equal_one() -> None:
    """The first had 1.1 s for a model that takes 3; the second has 11."""
    pipeline = make_pipeline(GOOD, seconds=3, cache=MemoryCache())
    first = asyncio.create_task(failure(pipeline.caption(REQUEST, Deadline.after(1.1))))
    await asyncio.sleep(0.6)
    second = asyncio.create_task(pipeline.caption(REQUEST, Deadline.after(11)))
    assert (await first).log_reason == "the captioner's own"
    caption = await second
    assert (caption.text, caption.cached) == (GOOD, False)


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("error", [Overloaded, ModelTimeout, ModelUnavailable])
async def test_a_request_does_not_inherit_a_failure_that_depends_on_time_or_a_queue(
    error: type[CaptionError],
) -> None:
    pipeline = make_pipeline(error(), GOOD, seconds=1, cache=MemoryCache())
    first = asyncio.create_task(failure(pipeline.caption(REQUEST, Deadline.after(20))))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(pipeline.caption(REQUEST, Deadline.after(20)))
    assert type(await first) is error
    assert (await second).text == GOOD


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("error", [CaptionRefused, CaptionUncertain, ModelError])
async def test_equal_requests_share_a_final_failure(error: type[CaptionError]) -> None:
    pipeline = make_pipeline(error(), seconds=1, cache=MemoryCache())
    first = asyncio.create_task(failure(pipeline.caption(REQUEST, Deadline.after(20))))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(failure(pipeline.caption(REQUEST, Deadline.after(20))))
    assert [type(await first), type(await second)] == [error, error]
    assert len(pipeline.drafting.captioner.requests) == 1


@pytest.mark.usefixtures("virtual_time")
async def test_a_request_with_less_time_leaves_an_equal_one_at_its_own_deadline() -> None:
    pipeline = make_pipeline(GOOD, seconds=9, cache=MemoryCache())
    first = asyncio.create_task(pipeline.caption(REQUEST, Deadline.after(20)))
    await asyncio.sleep(1)
    began_s = asyncio.get_running_loop().time()
    error = await failure(pipeline.caption(REQUEST, Deadline.after(2)))
    assert isinstance(error, ModelTimeout)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(2)
    assert (await first).text == GOOD
    assert len(pipeline.drafting.captioner.requests) == 1


@pytest.mark.usefixtures("virtual_time")
async def test_a_draft_goes_on_until_the_last_caller_that_waits_for_it_leaves() -> None:
    pipeline = make_pipeline(GOOD, seconds=9, cache=MemoryCache())
    callers = [asyncio.create_task(pipeline.caption(REQUEST, soon())) for _ in range(3)]
    await asyncio.sleep(1)
    for caller in callers[:2]:
        caller.cancel()
    await asyncio.sleep(1)
    assert pipeline.drafting.captioner.cancelled == 0
    callers[2].cancel()
    await asyncio.wait(callers)
    assert pipeline.drafting.captioner.cancelled == 1


# The source's bytes


class WatchedFetcher:
    """Fetches a source that can be watched through a weak reference."""

    def __init__(self) -> None:
        self.data: weakref.ref[memoryview] | None = None
        self.is_leased = False

    @asynccontextmanager
    async def fetch(
        self, image_url: str, deadline: Deadline, *, caller: str = ""
    ) -> AsyncIterator[SourceImage]:
        data = memoryview(bytearray(SOURCE))
        self.data = weakref.ref(data)
        source = SourceImage(data, "jpeg")
        del data
        self.is_leased = True
        try:
            yield source
        finally:
            self.is_leased = False


async def test_the_source_is_let_go_of_before_the_captioner_is_asked() -> None:
    fetcher = WatchedFetcher()

    class Watching(ScriptedCaptioner):
        async def draft(
            self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
        ) -> Draft:
            assert not fetcher.is_leased
            assert fetcher.data() is None
            return Draft(GOOD, self.name)

    pipeline = make_pipeline(fetcher=fetcher, captioner=Watching([]))
    assert (await pipeline.caption(REQUEST, soon())).text == GOOD


async def test_the_lease_of_the_source_lasts_until_it_is_normalised() -> None:
    fetcher = WatchedFetcher()

    class Watching(FixedNormaliser):
        async def normalise(
            self, source: SourceImage, deadline: Deadline, *, caller: str = ""
        ) -> NormalisedImage:
            assert fetcher.is_leased
            return IMAGE

    await make_pipeline(GOOD, fetcher=fetcher, normaliser=Watching()).caption(REQUEST, soon())


async def test_an_error_does_not_keep_the_source_alive() -> None:
    """It lives until it is answered, and its frames refer to up to 64 MB."""
    fetcher = WatchedFetcher()

    class Failing(FixedNormaliser):
        async def normalise(
            self, source: SourceImage, deadline: Deadline, *, caller: str = ""
        ) -> NormalisedImage:
            data = source.data
            try:
                raise ValueError(len(data))
            except ValueError as error:
                raise ImageCorrupt from error

    pipeline = make_pipeline(GOOD, fetcher=fetcher, normaliser=Failing())
    error = await failure(pipeline.caption(REQUEST, soon()))
    assert isinstance(error.__cause__, ValueError)
    assert fetcher.data() is None


async def test_the_bytes_of_a_data_url_are_given_back() -> None:
    budget = WeightedSemaphore(1 << 28)
    large = SOURCE + bytes(2 << 20)
    held = []

    class Watching(FixedNormaliser):
        async def normalise(
            self, source: SourceImage, deadline: Deadline, *, caller: str = ""
        ) -> NormalisedImage:
            held.append(budget.used)
            return IMAGE

    pipeline = make_pipeline(GOOD, normaliser=Watching(), budget=budget)
    await pipeline.caption(replace(REQUEST, image_url=data_url(large)), soon())
    assert held == [len(large) - (1 << 20)]
    assert budget.used == 0


# The real steps


async def test_a_real_image_is_fetched_normalised_and_shown_to_the_captioner() -> None:
    pool = WorkerPool(size=1, handlers={"normalise": "app.imaging.normalise_handler:normalise_job"})
    async with contextlib.AsyncExitStack() as stack:
        await pool.start()
        stack.push_async_callback(pool.aclose)
        pipeline = make_pipeline(GOOD, normaliser=Normaliser(ImageSettings(), pool))
        caption = await pipeline.caption(REQUEST, soon())
    assert caption.text == GOOD
    assert (caption.source.width_px, caption.source.format) == (320, "jpeg")
    assert pipeline.drafting.captioner.images[0].jpeg.startswith(b"\xff\xd8")


async def test_work_that_requests_share_is_logged_under_the_id_of_the_one_that_began_it() -> None:
    """And the others name it, so that an operator finds the lines."""
    pipeline = make_pipeline(GOOD, cache=MemoryCache(), seconds=0.05)
    seen: list[str] = []
    draft = pipeline.drafting.captioner.draft

    async def note_id_and_draft(*arguments: object) -> Draft:
        seen.append(request_context.current_request_id())
        return await draft(*arguments)

    pipeline.drafting.captioner.draft = note_id_and_draft

    async def caption(request: request_context.RequestContext) -> None:
        with request_context.work_for(request):
            await pipeline.caption(REQUEST, soon())

    first, second = (request_context.RequestContext(name) for name in ("r-1", "r-2"))
    await asyncio.gather(caption(first), caption(second))
    assert seen == ["r-1"]
    assert "shared_with" not in first.last_fields()
    assert second.last_fields()["shared_with"] == "r-1"
