"""OCR in child processes, and what happens when it fails."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.vision import ocr_pool as ocr_pool_module
from app.vision.evidence import parse_subjects
from app.vision.features import FaceCount
from app.vision.ocr_pool import OcrPool, is_ocr_installed
from app.workers.child_choice import ChildState
from app.workers.errors import ChildDied, ChildTimeout, NoTimeToRetry, PoolBusy
from app.workers.pool import POOL_MEMORY_BYTES, WorkerPool
from tests.captioning.embedded.samples import CONCISE, normalised_image
from tests.vision import drawn

UNREAD = "(unread)"
PHOTOGRAPHS = Path(__file__).parents[2] / "testing/corpora/photographs"
needs_models = pytest.mark.skipif(not is_ocr_installed(), reason="needs the extra `embedded`")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that the models are loaded once."""
    return "asyncio"


@pytest.fixture(scope="module")
async def ocr_pool(anyio_backend: str) -> AsyncIterator[OcrPool]:
    """The time limit is for a machine that is busy with other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ocr_pool_module, "OCR_TIMEOUT_S", 120.0)
        pool = OcrPool(WeightedSemaphore(POOL_MEMORY_BYTES))
        starting = asyncio.create_task(pool.start())
        try:
            yield pool
        finally:
            await pool.aclose()
            starting.cancel()


async def read(
    pool: OcrPool, jpeg: bytes, *, is_text_sparse: bool = False, within_s: float = 300
) -> list[str]:
    blocks = await pool.read_text(jpeg, Deadline.after(within_s), is_text_sparse=is_text_sparse)
    return [UNREAD] if blocks is None else [block.text for block in blocks]


@needs_models
@pytest.mark.slow
async def test_text_is_read_in_a_confined_child_process(ocr_pool: OcrPool):
    """A call before the models are loaded waits for them."""
    assert await read(ocr_pool, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]
    assert await read(ocr_pool, drawn.jpeg(drawn.chart())) == ["Visitors per quarter"]
    assert await read(ocr_pool, drawn.jpeg(drawn.word_mark())) == ["ABC"]


@needs_models
@pytest.mark.parametrize("name", ["noise", "checks", "stripes", "gradient"])
@pytest.mark.slow
async def test_no_text_is_read_in_textures_and_patterns(ocr_pool: OcrPool, name: str):
    """At the coarse and at the full size."""
    jpeg = drawn.jpeg(drawn.DECORATIVE[name]())
    assert await read(ocr_pool, jpeg, is_text_sparse=True) == []
    assert await read(ocr_pool, jpeg) == []


@needs_models
@pytest.mark.parametrize("size", [(1, 1), (3, 900), (1200, 3), (40, 40), (4096, 300)])
async def test_an_image_of_any_size_can_be_read(ocr_pool: OcrPool, size: tuple[int, int]):
    """Very small, very flat and larger than the limit."""
    assert await read(ocr_pool, drawn.jpeg(drawn.noisy_scene().resize(size))) == []


@needs_models
async def test_of_a_page_full_of_text_a_limited_part_is_read(ocr_pool: OcrPool):
    """Enough for a caption, in a limited time."""
    text = " ".join(await read(ocr_pool, drawn.jpeg(drawn.page())))
    assert 100 < len(text) < 2_000


@needs_models
async def test_data_that_is_no_image_does_not_end_the_child_process(ocr_pool: OcrPool):
    """No text is read, and the next image is read."""
    assert await read(ocr_pool, b"not a picture") == []
    assert await read(ocr_pool, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]


@needs_models
@pytest.mark.slow
async def test_a_child_process_killed_while_idle_costs_no_text(ocr_pool: OcrPool):
    """The next image waits for the new child process."""
    await read(ocr_pool, drawn.jpeg(drawn.banner()))
    for pid in ocr_pool.pids():
        os.kill(pid, signal.SIGKILL)
    assert await read(ocr_pool, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]


@needs_models
@pytest.mark.slow
async def test_a_child_process_killed_during_ocr_costs_no_text(ocr_pool: OcrPool):
    """A new child process reads the image; a second kill costs the text."""
    await read(ocr_pool, drawn.jpeg(drawn.banner()))
    for kills, expected in ((1, ["SPRING SALE"]), (2, [UNREAD])):
        reading = asyncio.create_task(read(ocr_pool, drawn.jpeg(drawn.banner())))
        killed = 0
        for _ in range(kills):
            killed = await kill_busy_child(ocr_pool, other_than=killed)
        assert await reading == expected


async def kill_busy_child(ocr_pool: OcrPool, *, other_than: int) -> int:
    """Kills the child process once it has a job; returns its process id."""
    async with asyncio.timeout(60):
        while True:
            for child in ocr_pool._pool._children:
                if child.state is ChildState.BUSY and child.process.pid != other_than:
                    os.kill(child.process.pid, signal.SIGKILL)
                    return child.process.pid
            await asyncio.sleep(0.005)


@needs_models
@pytest.mark.slow
async def test_images_that_come_too_late_do_not_end_the_child_process(
    ocr_pool: OcrPool, monkeypatch: pytest.MonkeyPatch
):
    """Loading the models anew would take longer than any of their deadlines."""
    monkeypatch.setattr(ocr_pool_module, "TIME_AFTER_OCR_S", 0.0)
    await read(ocr_pool, drawn.jpeg(drawn.banner()))
    before = ocr_pool.pids()
    page = drawn.jpeg(drawn.page())
    for _ in range(4):
        with pytest.raises(Overloaded):
            await read(ocr_pool, page, within_s=0.1)
    assert await read(ocr_pool, drawn.jpeg(drawn.banner())) == ["SPRING SALE"]
    assert ocr_pool.pids() == before


@needs_models
@pytest.mark.slow
async def test_a_caption_quotes_the_text_in_the_image(ocr_pool: OcrPool):
    """Analysis and OCR together, each in its own child process."""
    worker_pool = WorkerPool(size=1, handlers={"analyse": "app.vision.analyse:analyse_job"})
    await worker_pool.start()
    try:
        captioner = EmbeddedCaptioner(worker_pool, ocr_pool)
        image = normalised_image(drawn.jpeg(drawn.banner()))
        draft = await captioner.draft(image, DraftRequest(CONCISE, "en", 64), Deadline.after(30))
        assert "“SPRING SALE”" in draft.text
        assert "reads text" in await captioner.check()
    finally:
        await worker_pool.aclose()


@needs_models
@pytest.mark.slow
async def test_what_is_in_an_image_is_recognised_in_a_confined_child_process(ocr_pool: OcrPool):
    """The same processes read text."""
    assert await ocr_pool.recognises()
    cat = (PHOTOGRAPHS / "cat.jpg").read_bytes()
    sightings, faces = await ocr_pool.recognise(cat, Deadline.after(300), is_plain=False)
    assert [sighting.concept for sighting in sightings] == ["cat"]
    assert faces == FaceCount()
    nothing = await ocr_pool.recognise(b"not a picture", Deadline.after(300), is_plain=False)
    assert nothing == ((), FaceCount())


@needs_models
@pytest.mark.slow
async def test_what_is_absent_is_found_in_a_confined_child_process(ocr_pool: OcrPool):
    """The thresholds were read before the process was confined."""
    cat = (PHOTOGRAPHS / "cat.jpg").read_bytes()
    facts = await ocr_pool.look(cat, "subjects", Deadline.after(300))
    assert facts is not None
    assert "zebra" in parse_subjects(facts).absent


class StubPool:
    """A worker pool with one result or failure."""

    def __init__(self, outcome: object, waiting: int = 0) -> None:
        self.outcome, self.waiting = outcome, waiting
        self.asked_for = ()

    async def start(self) -> None:
        if isinstance(self.outcome, OSError | ImportError):
            raise self.outcome

    def waiting_before(self, fairness_key):
        self.asked_for = fairness_key
        return self.waiting

    async def run(self, handler, data, args, *, timeout_s, deadline, fairness_key=()):
        assert fairness_key == self.asked_for
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome, b""


async def start_ocr_pool(monkeypatch: pytest.MonkeyPatch, stub: StubPool) -> OcrPool:
    """An OcrPool that uses the stub, after its first attempt to start."""
    monkeypatch.setattr(ocr_pool_module, "WorkerPool", lambda **_: stub)
    pool = OcrPool(WeightedSemaphore(1))
    starting = asyncio.create_task(pool.start())
    await pool.is_ready()
    starting.cancel()
    return pool


@pytest.mark.parametrize(
    "outcome", [ChildDied("gone"), ChildTimeout("8 s"), NoTimeToRetry("the child died")]
)
async def test_after_a_lost_child_process_the_text_is_unknown(monkeypatch, outcome):
    """Which is not the same as no text: the caption is not kept."""
    pool = await start_ocr_pool(monkeypatch, StubPool(outcome))
    assert await pool.read_text(b"x", Deadline.after(5), is_text_sparse=False) is None


@pytest.mark.parametrize(
    "outcome",
    [
        {},
        {"blocks": 7},
        {"blocks": [{"text": "a"}]},
        {"blocks": [{"text": "a", "score": 1, "height": 1, "top": 0, "lines": 1, "width": 1,
                     "ink": "<b>"}]},
    ],
)  # fmt: skip
async def test_a_failed_job_returns_no_text(monkeypatch, outcome):
    """The caption is written without text; invalid data from a child process is not used."""
    pool = await start_ocr_pool(monkeypatch, StubPool(outcome))
    assert await pool.read_text(b"x", Deadline.after(5), is_text_sparse=False) == ()


async def test_before_the_first_attempt_to_start_ends_the_pool_has_not_tried(monkeypatch):
    """The server is not ready meanwhile."""
    monkeypatch.setattr(ocr_pool_module, "WorkerPool", lambda **_: StubPool({"blocks": []}))
    assert not OcrPool(WeightedSemaphore(1)).has_tried_to_start()


async def test_a_queue_that_is_too_long_is_overload_at_once(monkeypatch):
    """With the time after which a retry makes sense."""
    pool = await start_ocr_pool(monkeypatch, StubPool({"blocks": []}, waiting=100))
    with pytest.raises(Overloaded) as raised:
        await pool.read_text(b"x", Deadline.after(20), is_text_sparse=False)
    assert raised.value.retry_after_s == 70


async def test_a_job_that_is_not_done_in_time_is_overload(monkeypatch):
    """Which the circuit breaker does not count."""
    pool = await start_ocr_pool(monkeypatch, StubPool(PoolBusy("full")))
    with pytest.raises(Overloaded):
        await pool.read_text(b"x", Deadline.after(5), is_text_sparse=False)


@pytest.mark.parametrize("error", [OSError("no memory"), ImportError("no such file")])
async def test_without_models_the_text_is_unknown(monkeypatch, error):
    """No call waits for the next attempt to load them, and the server may report ready."""
    pool = await start_ocr_pool(monkeypatch, StubPool(error))
    assert pool.has_tried_to_start()
    assert not await pool.is_ready()
    assert await pool.read_text(b"x", Deadline.after(5), is_text_sparse=False) is None


@pytest.mark.parametrize(
    "outcome",
    [
        {"sightings": []},
        {"sightings": 7, "faces": 0, "are_all_faces": True},
        {"sightings": [{"concept": "<b>", "probability": 0.9}], "faces": 0, "are_all_faces": True},
        {"sightings": [{"concept": "cat"}], "faces": 0, "are_all_faces": True},
        {"sightings": [], "faces": -1, "are_all_faces": True},
    ],
)
async def test_a_failed_job_recognises_nothing(monkeypatch, outcome):
    """Invalid data from a child process is not used."""
    stub = StubPool({"failure": ""})
    pool = await start_ocr_pool(monkeypatch, stub)
    assert await pool.recognises()
    stub.outcome = outcome
    assert await pool.recognise(b"x", Deadline.after(5), is_plain=False) == ((), FaceCount())


@pytest.mark.parametrize("error", [ChildDied("gone"), ChildTimeout("5 s"), NoTimeToRetry("late")])
async def test_a_lost_job_leaves_unknown_what_is_in_the_image(monkeypatch, error):
    """Another try may tell."""
    stub = StubPool({"failure": ""})
    pool = await start_ocr_pool(monkeypatch, stub)
    stub.outcome = error
    assert await pool.recognise(b"x", Deadline.after(5), is_plain=False) is None


@pytest.mark.parametrize("outcome", [{"failure": "weights.pth is damaged"}, {}, ChildDied("gone")])
async def test_without_its_weights_nothing_is_recognised_and_text_is_read(
    monkeypatch, caplog, outcome
):
    """One line in the log at the start says so."""
    stub = StubPool(outcome)
    pool = await start_ocr_pool(monkeypatch, stub)
    assert await pool.is_ready()
    assert not await pool.recognises()
    stub.outcome = {
        "sightings": [{"concept": "cat", "probability": 0.9}],
        "faces": 1,
        "are_all_faces": False,
    }
    assert await pool.recognise(b"x", Deadline.after(5), is_plain=False) == ((), FaceCount())
    lines = [record for record in caplog.records if record.message == "recogniser.unavailable"]
    assert len(lines) == 1
