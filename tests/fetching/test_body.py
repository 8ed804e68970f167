"""Reading a body in every framing."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from app.fetching.body import ResponseBody
from app.fetching.byte_lease import ByteLease
from app.fetching.progress import FetchProgress
from app.fetching.response_policy import ResponseHead
from app.runtime import fair_loop
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from tests.fetching.fetches import fetch, make_fetcher
from tests.fetching.scripted_origin import ScriptedOrigin, respond, send

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b"\xff\xd8\xff" + b"\x00" * 65_533


def in_chunks(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def test_a_content_length_beside_chunks_is_ignored() -> None:
    """When it was believed, each chunk copied all that had arrived: 140 s of the event loop.

    All bytes are leased at once: two fetches that lease twice could wait for each other.
    """
    leased: list[int] = []

    class RecordingSemaphore(WeightedSemaphore):
        async def acquire(self, amount: int, caller: str = "") -> None:
            leased.append(amount)
            await super().acquire(amount, caller)

    head = OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    fetcher = make_fetcher(RecordingSemaphore(1 << 23), max_bytes=1 << 23)
    async with (
        ScriptedOrigin(send(head + in_chunks(*[BODY] * 40))) as origin,
        fetcher.fetch(origin.url(), Deadline.after(60)) as source,
    ):
        assert source.data == BODY * 40
    assert len(leased) == 1
    await fetcher.aclose()


async def test_a_small_image_may_arrive_in_small_chunks() -> None:
    chunks = [BODY[start : start + 32] for start in range(0, len(BODY), 32)]
    async with ScriptedOrigin(send(CHUNKED + in_chunks(*chunks))) as origin:
        assert (await fetch(origin.url())).data == BODY


async def test_a_large_body_leaves_the_event_loop_time_for_others() -> None:
    """The 32 MB past the free 8 take a quarter of a second, however near the origin is."""
    body = BODY * ((40 << 20) // len(BODY))
    fetcher = make_fetcher(max_bytes=64 << 20)
    async with ScriptedOrigin(respond(body)) as origin:
        began_s = time.monotonic()
        async with fetcher.fetch(origin.url(), Deadline.after(60)) as source:
            assert len(source.data) == len(body)
            assert time.monotonic() - began_s > 0.15
    await fetcher.aclose()


@pytest.mark.parametrize(
    ("content_length", "are_bulk"),
    [
        (32 * 65_536, [True] * 32),
        (16 * 65_536, [False] * 16),
        (None, [False] * 16 + [True] * 16),
    ],
    ids=["large", "small", "unknown"],
)
async def test_a_body_that_is_said_to_be_large_is_bulk_work_from_its_start(
    content_length: int | None, are_bulk: list[bool]
) -> None:
    """Otherwise the first megabytes of many large ones come before anybody's small image."""
    noted: list[bool] = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in are_bulk:
            noted.append(fair_loop._is_bulk.get())
            yield BODY

    async with asyncio.timeout(20) as timer:
        lease = ByteLease(WeightedSemaphore(1 << 23))
        progress = FetchProgress(timer, asyncio.get_running_loop().time() + 20, lease)
        body = ResponseBody(
            ResponseHead(content_length), 1 << 23, progress, BandwidthLimiter(1 << 23)
        )
        assert len(await body.read(chunks(), None)) == len(BODY) * len(are_bulk)
    assert noted == are_bulk
