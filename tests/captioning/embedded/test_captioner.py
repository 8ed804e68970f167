"""The embedded captioner with a real child process, and its errors."""

from collections.abc import AsyncIterator

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.errors import CaptionUncertain, ModelError, ModelTimeout
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.vision.analyse import analyse
from app.workers.errors import ChildDied, ChildTimeout, PoolBusy
from app.workers.pool import WorkerPool
from tests.captioning.embedded.samples import CONCISE, normalised_image
from tests.vision import drawn


def draft_request(locale: str = "en") -> DraftRequest:
    return DraftRequest(CONCISE, locale, 64)


@pytest.fixture
async def captioner() -> AsyncIterator[EmbeddedCaptioner]:
    pool = WorkerPool(size=1, handlers={"analyse": "app.vision.analyse:analyse_job"})
    await pool.start()
    try:
        yield EmbeddedCaptioner(pool)
    finally:
        await pool.aclose()


async def test_every_category_of_image_gets_a_draft(captioner: EmbeddedCaptioner):
    """The confined child process needs no import later: the warm-up ran every code path."""
    for images, sentinel in (
        (drawn.DESCRIBABLE, None),
        (drawn.DECORATIVE, "DECORATIVE"),
        (drawn.UNCERTAIN, "UNCERTAIN"),
    ):
        for name, draw in images.items():
            image = normalised_image(drawn.jpeg(draw()))
            draft = await captioner.draft(image, draft_request(), Deadline.after(10))
            assert draft.model == "embedded"
            assert (draft.text == sentinel) if sentinel else draft.text.endswith("."), name


async def test_a_locale_is_matched_by_its_language(captioner: EmbeddedCaptioner):
    """A region or a script does not matter."""
    image = normalised_image(drawn.jpeg(drawn.ball("#d82828")))
    english = await captioner.draft(image, draft_request("en"), Deadline.after(10))
    assert await captioner.draft(image, draft_request("en-GB"), Deadline.after(10)) == english
    german = await captioner.draft(image, draft_request("de-AT"), Deadline.after(10))
    assert german.text.startswith("Ein runder roter Gegenstand")


async def test_a_locale_without_a_phrasebook_is_an_error(captioner: EmbeddedCaptioner):
    """The message lists the locales that it can write; English is no substitute."""
    with pytest.raises(CaptionUncertain) as raised:
        await captioner.draft(normalised_image(b""), draft_request("pl"), Deadline.after(10))
    assert "writes only de, en, es, fr, hr" in raised.value.detail


async def test_the_check_lists_the_locales(captioner: EmbeddedCaptioner):
    """For the operator."""
    assert "en" in await captioner.check()


class StubPool:
    """A worker pool with one result or failure."""

    def __init__(self, outcome: Exception | dict[str, object]) -> None:
        self.outcome = outcome

    async def run(self, handler, data, args, *, timeout_s, deadline, fairness_key):
        self.fairness_key = fairness_key
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome, b""


async def test_the_analysis_waits_for_the_turn_of_the_requests_caller():
    """Not in front of everybody's images."""
    stub = StubPool(PoolBusy("full"))
    request = DraftRequest(CONCISE, "en", 64, caller="anna")
    with pytest.raises(Overloaded):
        await EmbeddedCaptioner(stub).draft(normalised_image(b"x"), request, Deadline.after(10))
    assert stub.fairness_key == ("anna",)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ChildTimeout("5 s"), ModelTimeout),
        (PoolBusy("full"), Overloaded),
        (ChildDied("gone"), ModelError),
        ({"category": "nonsense"}, ModelError),
    ],
)
async def test_a_failed_analysis_has_its_own_error(outcome, expected):
    """None of them is an error of the caller."""
    captioner = EmbeddedCaptioner(StubPool(outcome))
    with pytest.raises(expected):
        await captioner.draft(normalised_image(b"x"), draft_request(), Deadline.after(5))


class StubTextReader:
    """Stands in for the child processes with the models."""

    def __init__(self, *, reads: bool, recognises: bool) -> None:
        self._reads, self._recognises = reads, recognises

    async def is_ready(self) -> bool:
        return self._reads

    async def recognises(self) -> bool:
        return self._recognises


@pytest.mark.parametrize(
    ("reader", "expected"),
    [
        (None, "does not read text and does not name what it sees"),
        (StubTextReader(reads=True, recognises=True), "reads text and names what it sees"),
        (StubTextReader(reads=True, recognises=False), "reads text and does not name what it sees"),
    ],
)
async def test_the_check_says_what_the_captioner_can_do(reader, expected):
    """`python -m app check` prints this sentence."""
    facts = analyse(drawn.jpeg(drawn.product("navy"))).to_json()
    captioner = EmbeddedCaptioner(StubPool(facts), reader)
    assert await captioner.check() == (
        f"analysed a test image; it writes de, en, es, fr, hr, {expected}"
    )
