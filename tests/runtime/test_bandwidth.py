"""The rate that large files share."""

import asyncio

from app.runtime.bandwidth import FREE_BYTES, BandwidthLimiter

MB = 1024 * 1024


async def test_an_ordinary_file_is_never_held_up():
    """Others have their turn, and that is all."""
    pace = BandwidthLimiter(most_bytes=MB)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for at in range(0, FREE_BYTES, MB):
        await pace.turn(MB, at + MB)
    assert loop.time() - began_s < 0.5


async def test_what_may_be_in_flight_takes_half_a_second_however_many_files_it_is():
    """Four at once share the rate that one has alone."""
    pace = BandwidthLimiter(most_bytes=16 * MB)
    loop = asyncio.get_running_loop()

    async def a_file():
        for _ in range(4):
            await pace.turn(MB, FREE_BYTES + MB)

    began_s = loop.time()
    await asyncio.gather(*(a_file() for _ in range(4)))
    assert 0.4 < loop.time() - began_s < 1.5


async def test_time_that_nobody_used_is_not_saved_up():
    """After a rest a large file does not come in one piece."""
    pace = BandwidthLimiter(most_bytes=8 * MB)
    await pace.turn(MB, FREE_BYTES + MB)
    await asyncio.sleep(0.3)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await pace.turn(4 * MB, FREE_BYTES + 5 * MB)
    assert loop.time() - began_s > 0.2
