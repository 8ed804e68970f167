"""The reader in its own child process, with its doors shut."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.vision import text_reader as module
from app.vision.text_reader import TextReader, is_installed
from app.workers.errors import ChildDied, ChildTimeout, PoolBusy
from app.workers.pool import POOL_MEMORY_BYTES, WorkerPool
from tests.captioning.embedded.test_captioner import normalised
from tests.captioning.embedded.test_realise import CONCISE
from tests.vision import drawn

needs_models = pytest.mark.skipif(not is_installed(), reason="needs the extra `embedded`")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module: the models are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def reader(anyio_backend: str) -> AsyncIterator[TextReader]:
    reader = TextReader(WeightedSemaphore(POOL_MEMORY_BYTES))
    starting = asyncio.create_task(reader.start())
    try:
        yield reader
    finally:
        await reader.aclose()
        starting.cancel()


async def texts(reader: TextReader, jpeg: bytes, *, is_sparse: bool = False) -> list[str]:
    blocks = await reader.read(jpeg, Deadline.after(30), is_sparse=is_sparse)
    return [block.text for block in blocks]


@needs_models
async def test_text_is_read_in_the_child_after_its_doors_are_shut(reader: TextReader):
    """Whoever asks before the models are there waits for them."""
    assert await texts(reader, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]
    assert await texts(reader, drawn.jpeg(drawn.chart())) == ["Visitors per quarter"]
    assert await texts(reader, drawn.jpeg(drawn.word_mark())) == ["ABC"]


@needs_models
@pytest.mark.parametrize("name", ["noise", "checks", "stripes", "gradient"])
async def test_nothing_is_read_where_nothing_is_written(reader: TextReader, name: str):
    """Texture and patterns are not quoted."""
    jpeg = drawn.jpeg(drawn.DECORATIVE[name]())
    assert await texts(reader, jpeg, is_sparse=True) == []
    assert await texts(reader, jpeg) == []


@needs_models
@pytest.mark.parametrize("size", [(1, 1), (3, 900), (1200, 3), (40, 40), (4096, 300)])
async def test_no_size_is_too_odd_to_read(reader: TextReader, size: tuple[int, int]):
    """Any picture gets an answer."""
    assert await texts(reader, drawn.jpeg(drawn.noisy_scene().resize(size))) == []


@needs_models
async def test_a_page_full_of_text_is_read_within_bounds(reader: TextReader):
    """As much as a caption can use, and no more."""
    said = " ".join(await texts(reader, drawn.jpeg(drawn.page())))
    assert 100 < len(said) < 2_000


@needs_models
async def test_bytes_that_are_no_picture_leave_the_child_alive(reader: TextReader):
    """It is read as nothing, and the next picture is read."""
    assert await texts(reader, b"not a picture") == []
    assert await texts(reader, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]


@needs_models
async def test_a_child_that_is_killed_is_replaced(reader: TextReader):
    """The picture in work goes without its text, the next one waits for the new child."""
    await texts(reader, drawn.jpeg(drawn.banner()))
    for pid in reader.pids():
        os.kill(pid, signal.SIGKILL)
    await texts(reader, drawn.jpeg(drawn.banner()))
    assert await texts(reader, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]


@needs_models
async def test_a_caption_quotes_what_was_read(reader: TextReader):
    """Both children together."""
    pool = WorkerPool(size=1, handlers={"analyse": "app.vision.analyse:analyse_job"})
    await pool.start()
    try:
        captioner = EmbeddedCaptioner(pool, reader)
        image = normalised(drawn.jpeg(drawn.banner()))
        draft = await captioner.draft(image, DraftRequest(CONCISE, "en", 64), Deadline.after(30))
        assert "“SPRING SALE”" in draft.text
        assert "reads text" in await captioner.check()
    finally:
        await pool.aclose()


class Pool:
    """A pool that answers or fails as it is told."""

    def __init__(self, outcome: object, waiting: int = 0) -> None:
        self.outcome, self.waiting = outcome, waiting

    async def start(self) -> None:
        if isinstance(self.outcome, OSError):
            raise self.outcome

    async def run(self, handler, data, args, *, timeout_s, deadline):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome, b""


def fake(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> TextReader:
    monkeypatch.setattr(module, "WorkerPool", lambda **_: pool)
    return TextReader(WeightedSemaphore(1))


async def started(reader: TextReader) -> TextReader:
    starting = asyncio.create_task(reader.start())
    await reader.is_ready()
    starting.cancel()
    return reader


@pytest.mark.parametrize(
    "outcome",
    [
        ChildDied("gone"),
        ChildTimeout("8 s"),
        {},
        {"blocks": 7},
        {"blocks": [{"text": "a"}]},
        {"blocks": [{"text": "a", "score": 1, "height": 1, "top": 0, "lines": 1, "width": 1,
                     "ink": "<b>"}]},
    ],
)  # fmt: skip
async def test_a_picture_that_cannot_be_read_goes_without_its_text(monkeypatch, outcome):
    """Its caption is what it would be without a reader; nonsense from a child is not believed."""
    reader = await started(fake(monkeypatch, Pool(outcome)))
    assert await reader.read(b"x", Deadline.after(5), is_sparse=False) == ()


async def test_too_long_a_line_is_told_before_anyone_waits_in_it(monkeypatch):
    """With the time after which it is worth coming back."""
    reader = await started(fake(monkeypatch, Pool({"blocks": []}, waiting=100)))
    with pytest.raises(Overloaded) as raised:
        await reader.read(b"x", Deadline.after(20), is_sparse=False)
    assert raised.value.retry_after_s == 70


async def test_a_turn_that_does_not_come_is_overload_and_no_fault(monkeypatch):
    """A breaker does not count it."""
    reader = await started(fake(monkeypatch, Pool(PoolBusy("full"))))
    with pytest.raises(Overloaded):
        await reader.read(b"x", Deadline.after(5), is_sparse=False)


async def test_models_that_do_not_load_leave_captions_without_text(monkeypatch):
    """The log says so; nobody waits."""
    reader = await started(fake(monkeypatch, Pool(OSError("no memory"))))
    assert not await reader.is_ready()
    assert await reader.read(b"x", Deadline.after(5), is_sparse=False) == ()
