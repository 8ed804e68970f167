"""Fetches share a limit of bytes: large images wait for room instead of taking it."""

import asyncio
import base64
import mmap

import pytest

from app.errors import CaptionError
from app.fetching.byte_lease import FREE_BYTES
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from testing.images import jpeg
from tests.fetching.fetches import fetch, make_fetcher
from tests.fetching.scripted_origin import ScriptedOrigin, respond, send

IMAGE = jpeg((64, 48))


def in_one_chunk(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


async def test_bytes_are_leased_until_the_block_ends() -> None:
    """So that the decoder's input counts too."""
    large = IMAGE + bytes(FREE_BYTES)
    semaphore = WeightedSemaphore(1 << 28)
    fetcher = make_fetcher(semaphore)
    async with ScriptedOrigin(respond(large)) as origin:
        async with fetcher.fetch(origin.url(), Deadline.after(60)):
            assert semaphore.used == len(IMAGE)
        assert semaphore.used == 0
    url = "data:image/png;base64," + base64.b64encode(large).decode()
    async with fetcher.fetch(url, Deadline.after(60)):
        assert semaphore.used == len(IMAGE)
    assert semaphore.used == 0
    await fetcher.aclose()


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="not on this system")
async def test_the_memory_of_a_large_image_is_freed_although_it_is_still_referred_to() -> None:
    """The frames of an error may refer to it until the error is answered; they see zeros then."""
    large = IMAGE + b"x" * (20 * FREE_BYTES)
    fetcher = make_fetcher()
    async with ScriptedOrigin(respond(large)) as origin:
        async with fetcher.fetch(origin.url(), Deadline.after(60)) as source:
            assert source.data == large
        assert not any(source.data)
    await fetcher.aclose()


async def test_a_small_image_does_not_wait_behind_a_large_one() -> None:
    large = IMAGE + bytes(5 * FREE_BYTES)
    semaphore = WeightedSemaphore(len(large) - FREE_BYTES)
    fetcher = make_fetcher(semaphore)
    async with (
        ScriptedOrigin(respond(large)) as large_origin,
        ScriptedOrigin(respond(IMAGE)) as small_origin,
        semaphore.hold(1),
    ):
        waiting = asyncio.create_task(fetch(large_origin.url(), fetcher))
        while not semaphore.waiting:
            await asyncio.sleep(0.01)
        assert (await fetch(small_origin.url(), fetcher)).data == IMAGE
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
    await fetcher.aclose()


async def test_large_images_wait_for_room_and_all_are_fetched() -> None:
    """By arrival, with and without a Content-Length."""
    large = IMAGE + bytes(5 * FREE_BYTES)
    semaphore = WeightedSemaphore(len(large))
    fetcher = make_fetcher(semaphore, max_bytes=len(large))

    async def fetch_and_hold(url: str) -> int:
        async with fetcher.fetch(url, Deadline.after(60)) as source:
            assert semaphore.used <= semaphore.total
            await asyncio.sleep(0.02)
            return len(source.data)

    async with (
        ScriptedOrigin(send(in_one_chunk(large))) as chunked,
        ScriptedOrigin(respond(large)) as announced,
    ):
        urls = [chunked.url(), announced.url()] * 4
        sizes = await asyncio.gather(*map(fetch_and_hold, urls))
    assert sizes == [len(large)] * 8
    assert semaphore.used == 0
    await fetcher.aclose()


async def test_no_room_in_time_is_overloaded() -> None:
    """It is not the origin's failure, and the caller may come back."""
    semaphore = WeightedSemaphore(FREE_BYTES)
    fetcher = make_fetcher(semaphore)
    async with (
        ScriptedOrigin(respond(IMAGE + bytes(FREE_BYTES))) as origin,
        semaphore.hold(FREE_BYTES),
    ):
        with pytest.raises(CaptionError) as caught:
            await fetch(origin.url(), fetcher, within_s=1)
    error = caught.value
    assert error.code == "overloaded"
    assert error.retry_after_s
    assert error.log_reason == "no room for the image's bytes"
    await fetcher.aclose()


async def test_waiting_for_room_does_not_count_as_download_time() -> None:
    """The wait is longer than the download's own limit."""
    large = IMAGE + bytes(2 * FREE_BYTES)
    semaphore = WeightedSemaphore(4 * FREE_BYTES)
    fetcher = make_fetcher(semaphore, timeout_s=1)
    await semaphore.acquire(3 * FREE_BYTES)
    async with ScriptedOrigin(respond(large)) as origin:
        asyncio.get_running_loop().call_later(1.5, semaphore.release, 3 * FREE_BYTES)
        async with fetcher.fetch(origin.url(), Deadline.after(60)) as source:
            assert source.data == large
    await fetcher.aclose()
