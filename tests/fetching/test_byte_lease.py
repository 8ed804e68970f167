"""Fetches share one budget of bytes: they wait for room instead of taking it."""

import asyncio
import base64
import mmap

import pytest

from app.errors import CaptionError
from app.fetching.byte_lease import SMALL_BYTES
from app.fetching.fetcher import Fetcher, FetchSettings
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from tests.fetching.origin import Origin, answer, jpeg, raw

PICTURE = jpeg()


def make_fetcher(budget: WeightedSemaphore, **settings: object) -> Fetcher:
    values = {"allowed_networks": ["127.0.0.0/8"], "timeout_s": 3.0} | settings
    return Fetcher(FetchSettings(**values), budget)


async def fetched(fetcher: Fetcher, url: str) -> None:
    async with fetcher.fetch(url, Deadline.after(20)):
        pass


async def test_bytes_are_held_until_the_block_ends() -> None:
    """So that the decoder's input counts too."""
    big = PICTURE + bytes(SMALL_BYTES)
    budget = WeightedSemaphore(1 << 28)
    fetcher = make_fetcher(budget)
    async with Origin(answer(big)) as origin:
        async with fetcher.fetch(origin.url(), Deadline.after(5)):
            assert budget.used == len(PICTURE)
        assert budget.used == 0
    async with fetcher.fetch(
        "data:image/png;base64," + base64.b64encode(big).decode(), Deadline.after(5)
    ):
        assert budget.used == len(PICTURE)
    assert budget.used == 0
    await fetcher.aclose()


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system cannot be told")
async def test_a_large_pictures_memory_is_given_back_whoever_still_refers_to_it() -> None:
    """An error's frames may, until it is answered; what they see then is zeros."""
    big = PICTURE + b"x" * (20 * SMALL_BYTES)
    fetcher = make_fetcher(WeightedSemaphore(1 << 28))
    async with (
        Origin(answer(big)) as origin,
        fetcher.fetch(origin.url(), Deadline.after(5)) as source,
    ):
        assert source.data == big
    assert not any(source.data)
    await fetcher.aclose()


async def test_a_small_picture_waits_for_no_large_one() -> None:
    """Others wait for all the room there is; this one needs none of it."""
    big = PICTURE + bytes(5 * SMALL_BYTES)
    budget = WeightedSemaphore(len(big) - SMALL_BYTES)
    fetcher = make_fetcher(budget)
    async with Origin(answer(big)) as large, Origin(answer(PICTURE)) as small, budget.hold(1):
        waiting = asyncio.create_task(fetched(fetcher, large.url()))
        async with asyncio.timeout(5):
            while not budget.waiting:
                await asyncio.sleep(0.01)
        async with fetcher.fetch(small.url(), Deadline.after(1)) as source:
            assert source.data == PICTURE
        waiting.cancel()
        await asyncio.wait([waiting])
    await fetcher.aclose()


async def test_large_images_wait_for_room_and_none_is_lost() -> None:
    """More fetches than the budget has room for: they take turns, by arrival."""
    big = PICTURE + bytes(5 * SMALL_BYTES)
    many = 8
    budget = WeightedSemaphore(len(big))
    fetcher = make_fetcher(budget, max_bytes=len(big), timeout_s=2.0)
    chunked = raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(big), big)
    )

    async def one(url: str) -> int:
        async with fetcher.fetch(url, Deadline.after(20)) as source:
            assert budget.used <= budget.total
            await asyncio.sleep(0.02)
            return len(source.data)

    async with Origin(chunked) as origin, Origin(answer(big)) as other:
        sizes = await asyncio.gather(*(one(o.url()) for o in [origin, other] * (many // 2)))
    assert sizes == [len(big)] * many
    assert budget.used == 0
    await fetcher.aclose()


async def test_no_room_in_time_means_overloaded() -> None:
    """The origin is not to blame, and the caller may come back."""
    budget = WeightedSemaphore(SMALL_BYTES)
    fetcher = make_fetcher(budget)
    async with Origin(answer(PICTURE + bytes(SMALL_BYTES))) as origin, budget.hold(SMALL_BYTES):
        with pytest.raises(CaptionError) as caught:
            async with fetcher.fetch(origin.url(), Deadline.after(0.2)):
                pass
    assert caught.value.code == "overloaded"
    assert caught.value.retry_after_s
    await fetcher.aclose()


async def test_waiting_for_room_does_not_use_up_the_downloads_time() -> None:
    """The wait here is longer than the download's own limit."""
    big = PICTURE + bytes(2 * SMALL_BYTES)
    budget = WeightedSemaphore(4 * SMALL_BYTES)
    fetcher = make_fetcher(budget, timeout_s=0.3)
    await budget.acquire(3 * SMALL_BYTES)
    async with Origin(answer(big)) as origin:
        asyncio.get_running_loop().call_later(0.5, budget.release, 3 * SMALL_BYTES)
        async with fetcher.fetch(origin.url(), Deadline.after(5)) as source:
            assert source.data == big
    await fetcher.aclose()
