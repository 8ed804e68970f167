"""A body is bounded while it arrives, and costs no more than it is worth."""

import asyncio
import json
import time
import tracemalloc

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge
from app.api.problems import response_for
from app.api.request_body import BODIES_OF_CALLER_BYTES, MAX_BODY_BYTES, BodyReader
from app.api.schemas import CaptionBody, CaptionsBody
from app.errors import Overloaded
from app.runtime.drain import Drain

GOOD = {"image_url": "https://example.com/a.jpg"}


def request(chunks: list[bytes], *, gap_s: float = 0.0, **headers: str) -> Request:
    """A request whose body comes in these chunks; an endless wait follows where they run out."""
    left = list(chunks)

    async def receive() -> Message:
        await asyncio.sleep(gap_s)
        if not left:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    sent = {"content-type": "application/json", **headers}
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()]
    return Request({"type": "http", "method": "POST", "headers": pairs}, receive)


async def read(reader: BodyReader, asked: Request, model: type = CaptionBody) -> object:
    async with reader.read(asked, model, "caller") as body:
        return body


async def test_a_good_body_comes_out_whole() -> None:
    raw = json.dumps(GOOD).encode()
    body = await read(BodyReader(5, Drain()), request([raw[:5], raw[5:]]))
    assert isinstance(body, CaptionBody)
    assert body.image_url == GOOD["image_url"]


@pytest.mark.parametrize(
    "body",
    [
        {**GOOD, "styles": [1] * 1_000_000},
        {**GOOD, "styles": ["concise"], "locales": ["en"] * 1_000_000},
        {**GOOD, "styles": ["concise"], "metadata": {str(n): n for n in range(300_000)}},
        {**GOOD, **{f"k{n}": n for n in range(300_000)}},
    ],
    ids=["styles", "locales", "metadata", "unknown"],
)
async def test_a_million_wrong_items_are_one_error(body: dict[str, object]) -> None:
    """Each would have been an error of its own: 5 GB and half a minute for 8 MB."""
    raw = json.dumps(body).encode()
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(InvalidRequest) as told:
        await read(BodyReader(60, Drain()), request([raw]), CaptionsBody)
    took = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(told.value.extra["errors"]) == 1  # type: ignore[arg-type]
    assert peak < 30 * len(raw)
    assert took < 10


@pytest.mark.parametrize("body", [{"x" * 7_000_000: 1}, {"metadata": {"x" * 7_000_000: "1"}}])
async def test_a_name_of_megabytes_is_not_said_back(body: dict[str, object]) -> None:
    """An answer that nobody takes is held for half a minute, and it said the name twice."""
    raw = json.dumps({**GOOD, **body}).encode()
    with pytest.raises(InvalidRequest) as told:
        await read(BodyReader(5, Drain()), request([raw]))
    assert len(response_for(told.value, "id").body) < 1_000


async def test_a_length_beside_chunks_does_not_hide_the_chunks() -> None:
    reader = BodyReader(5, Drain())
    chunks = [b"x" * 1_000_000] * 9
    with pytest.raises(RequestTooLarge):
        await read(reader, request(chunks, content_length="2", transfer_encoding="chunked"))


async def test_bodies_that_only_drip_hold_next_to_nothing() -> None:
    reader = BodyReader(5, Drain())
    dripping = [
        asyncio.create_task(read(reader, request([b"{"], transfer_encoding="chunked")))
        for _ in range(200)
    ]
    await asyncio.sleep(0.05)
    raw = json.dumps({**GOOD, "context": "a" * 100, "metadata": {"a": "b" * 2000}}).encode()
    large = raw + b" " * (MAX_BODY_BYTES - len(raw))
    assert isinstance(await read(reader, request([large])), CaptionBody)
    for task in dripping:
        task.cancel()
    await asyncio.gather(*dripping, return_exceptions=True)


async def test_one_caller_cannot_lock_the_others_out() -> None:
    reader = BodyReader(5, Drain())
    size = MAX_BODY_BYTES - 1000
    holding = [
        asyncio.create_task(read(reader, unfinished(size)))
        for _ in range(BODIES_OF_CALLER_BYTES // size)
    ]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await read(reader, unfinished(size))
    with pytest.raises(InvalidRequest):  # read whole: it is only not JSON
        async with reader.read(request([b" " * size]), CaptionBody, "another"):
            pass
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
    with pytest.raises(InvalidRequest):
        await read(reader, request([b" " * size]))


async def test_a_drain_ends_the_wait_for_a_body() -> None:
    drain = Drain()
    waiting = asyncio.create_task(read(BodyReader(60, drain), unfinished(10)))
    await asyncio.sleep(0.05)
    drain.shorten(0.05)
    with pytest.raises(RequestTimeout):
        await waiting


def unfinished(size: int) -> Request:
    """A body of which this much has come, and no more does."""
    asked = request([])
    first: list[Message] = [{"type": "http.request", "body": b" " * size, "more_body": True}]

    async def receive() -> Message:
        if not first:
            await asyncio.sleep(3600)
        return first.pop()

    return Request(asked.scope, receive)
