"""The captioner behind its protocol, with a real child process behind it."""

from collections.abc import AsyncIterator

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.errors import CaptionUncertain, ModelError, ModelTimeout
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.types import NormalisedImage, SourceFacts
from app.workers.errors import ChildDied, ChildTimeout, PoolBusy
from app.workers.pool import WorkerPool
from tests.captioning.embedded.test_realise import CONCISE
from tests.vision import drawn


def normalised(jpeg: bytes) -> NormalisedImage:
    return NormalisedImage(jpeg, 0, 0, SourceFacts(0, 0, "jpeg", len(jpeg), ""))


def ask(locale: str = "en") -> DraftRequest:
    return DraftRequest(CONCISE, locale, 64)


@pytest.fixture
async def captioner() -> AsyncIterator[EmbeddedCaptioner]:
    pool = WorkerPool(size=1, handlers={"analyse": "app.vision.analyse:analyse_job"})
    await pool.start()
    try:
        yield EmbeddedCaptioner(pool)
    finally:
        await pool.aclose()


async def test_every_kind_of_picture_is_answered_from_the_child(captioner: EmbeddedCaptioner):
    """Nothing is imported after the child's doors are shut: each path was warmed up."""
    for makers, outcome in (
        (drawn.WORTH_DESCRIBING, None),
        (drawn.DECORATIVE, "DECORATIVE"),
        (drawn.UNCERTAIN, "UNCERTAIN"),
    ):
        for name, make in makers.items():
            draft = await captioner.draft(normalised(drawn.jpeg(make())), ask(), Deadline.after(10))
            assert draft.model == "embedded"
            assert (draft.text == outcome) if outcome else draft.text.endswith("."), name


async def test_a_locale_is_matched_by_its_language(captioner: EmbeddedCaptioner):
    """A region or script makes no other language."""
    image = normalised(drawn.jpeg(drawn.ball("#d82828")))
    plain = await captioner.draft(image, ask("en"), Deadline.after(10))
    assert await captioner.draft(image, ask("en-GB"), Deadline.after(10)) == plain
    german = await captioner.draft(image, ask("de-AT"), Deadline.after(10))
    assert german.text.startswith("Ein runder roter Gegenstand")


async def test_a_locale_without_phrases_is_uncertain_and_named(captioner: EmbeddedCaptioner):
    """Never English by surprise."""
    with pytest.raises(CaptionUncertain) as raised:
        await captioner.draft(normalised(b""), ask("pl"), Deadline.after(10))
    assert "writes only de, en, es, fr, hr" in raised.value.detail


async def test_the_check_says_what_it_can_write(captioner: EmbeddedCaptioner):
    """For the operator."""
    assert "en" in await captioner.check()


class Broken:
    """A pool at the other end of which something goes wrong."""

    def __init__(self, outcome: Exception | dict[str, object]) -> None:
        self.outcome = outcome

    async def run(self, handler, data, args, *, timeout_s, deadline):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome, b""


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ChildTimeout("5 s"), ModelTimeout),
        (PoolBusy("full"), Overloaded),
        (ChildDied("gone"), ModelError),
        ({"kind": "nonsense"}, ModelError),
    ],
)
async def test_what_goes_wrong_in_the_child_has_its_own_error(outcome, expected):
    """None of them is a bug of the caller."""
    with pytest.raises(expected):
        await EmbeddedCaptioner(Broken(outcome)).draft(normalised(b"x"), ask(), Deadline.after(5))
