"""A body is limited while it arrives, and what it costs is in proportion to its size."""

import asyncio
import json
import time
import tracemalloc

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.api.admission import Admission
from app.api.body_budget import CALLER_BODIES_MAX_BYTES
from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge
from app.api.problems import problem_response
from app.api.request_body import MAX_BODY_BYTES, BodyReader
from app.api.request_schemas import CaptionBody, CaptionsBody
from app.errors import Overloaded
from app.fetching.settings import FetchSettings
from app.fetching.upload import UploadReceiver
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.drain import Drain
from app.runtime.semaphore import WeightedSemaphore

VALID = {"image_url": "https://example.com/a.jpg"}


def create_request(chunks: list[bytes], **headers: str) -> Request:
    """A request whose body arrives in these chunks; after the last one nothing arrives any more."""
    left = list(chunks)

    async def receive() -> Message:
        await asyncio.sleep(0)
        if not left:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    sent = {"content-type": "application/json", **headers}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": "POST", "headers": pairs}, receive)


def create_unfinished_request(size: int, **headers: str) -> Request:
    """A request of whose body `size` bytes have arrived, and no more arrive."""
    first: list[Message] = [{"type": "http.request", "body": b" " * size, "more_body": True}]

    async def receive() -> Message:
        if not first:
            await asyncio.sleep(3600)
        return first.pop()

    return Request(create_request([], **headers).scope, receive)


def make_reader(timeout_s: float, drain: Drain | None = None) -> BodyReader:
    uploads = UploadReceiver(FetchSettings(), WeightedSemaphore(1 << 26), BandwidthLimiter(1 << 26))
    return BodyReader(timeout_s, drain or Drain(), uploads)


async def read(
    reader: BodyReader, request: Request, model: type = CaptionBody, caller: str = "caller"
) -> object:
    admission = Admission(64, 64, Drain())
    async with (
        admission.places(caller) as places,
        reader.read(request, model, places) as received,
    ):
        return received.fields


async def test_a_valid_body_is_read_whole() -> None:
    raw = json.dumps(VALID).encode()
    body = await read(make_reader(5), create_request([raw[:5], raw[5:]]))
    assert isinstance(body, CaptionBody)
    assert body.image_url == VALID["image_url"]


BODIES_WITH_A_MILLION_ITEMS = {
    "styles": {**VALID, "styles": [1] * 1_000_000},
    "locales": {**VALID, "styles": ["concise"], "locales": ["en"] * 1_000_000},
    "metadata": {
        **VALID,
        "styles": ["concise"],
        "metadata": {str(n): n for n in range(300_000)},
    },
    "unknown": {**VALID, **{f"k{n}": n for n in range(300_000)}},
}


@pytest.mark.parametrize("name", BODIES_WITH_A_MILLION_ITEMS)
async def test_a_million_wrong_items_are_one_error(name: str) -> None:
    """One error for each took 5 GB and half a minute for 8 MB."""
    raw = json.dumps(BODIES_WITH_A_MILLION_ITEMS[name]).encode()
    tracemalloc.start()
    with pytest.raises(InvalidRequest) as raised:
        await read(make_reader(60), create_request([raw]), CaptionsBody)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(raised.value.extra["errors"]) == 1  # type: ignore[arg-type]
    assert peak < 30 * len(raw)


@pytest.mark.measures
@pytest.mark.parametrize("name", BODIES_WITH_A_MILLION_ITEMS)
async def test_refusing_a_million_wrong_items_takes_about_as_long_as_parsing_them(
    name: str,
) -> None:
    raw = json.dumps(BODIES_WITH_A_MILLION_ITEMS[name]).encode()
    began_s = time.process_time()
    json.loads(raw)
    parsing_s = time.process_time() - began_s
    began_s = time.process_time()
    with pytest.raises(InvalidRequest):
        await read(make_reader(60), create_request([raw]), CaptionsBody)
    assert time.process_time() - began_s < 20 * parsing_s


@pytest.mark.parametrize("body", [{"x" * 7_000_000: 1}, {"metadata": {"x" * 7_000_000: "1"}}])
async def test_a_field_name_of_megabytes_is_not_repeated_in_the_error(
    body: dict[str, object],
) -> None:
    """A response that a client does not read is held for half a minute."""
    raw = json.dumps({**VALID, **body}).encode()
    with pytest.raises(InvalidRequest) as raised:
        await read(make_reader(5), create_request([raw]))
    assert len(problem_response(raised.value, "id").body) < 1_000


async def test_a_content_length_beside_chunks_does_not_hide_a_large_body() -> None:
    chunks = [b"x" * 1_000_000] * 10
    request = create_request(chunks, content_length="2", transfer_encoding="chunked")
    with pytest.raises(RequestTooLarge):
        await read(make_reader(5), request)


async def test_bodies_that_arrive_slowly_hold_next_to_nothing() -> None:
    reader = make_reader(60)
    announced = str(MAX_BODY_BYTES)
    slow = [
        asyncio.create_task(read(reader, create_unfinished_request(1, content_length=announced)))
        for _ in range(200)
    ]
    await let_tasks_run()
    raw = json.dumps({**VALID, "context": "a" * 100, "metadata": {"a": "b" * 2000}}).encode()
    large = raw + b" " * (MAX_BODY_BYTES - len(raw))
    assert isinstance(await read(reader, create_request([large])), CaptionBody)
    await cancel(slow)


async def test_large_bodies_of_one_caller_leave_room_for_those_of_others() -> None:
    reader = make_reader(60)
    size = MAX_BODY_BYTES - 1000
    holding = [
        asyncio.create_task(read(reader, create_unfinished_request(size)))
        for _ in range(CALLER_BODIES_MAX_BYTES // size)
    ]
    await let_tasks_run()
    with pytest.raises(Overloaded):
        await read(reader, create_unfinished_request(size))
    with pytest.raises(InvalidRequest):  # it was read whole, and is no JSON
        await read(reader, create_request([b" " * size]), caller="another")
    await cancel(holding)
    with pytest.raises(InvalidRequest):
        await read(reader, create_request([b" " * size]))


async def test_a_drain_ends_the_wait_for_a_body() -> None:
    drain = Drain()
    waiting = asyncio.create_task(read(make_reader(60, drain), create_unfinished_request(10)))
    await let_tasks_run()
    drain.shorten_timeouts(0.05)
    with pytest.raises(RequestTimeout):
        await waiting


async def let_tasks_run() -> None:
    """Give every task turns of the event loop until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def cancel(tasks: list[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
