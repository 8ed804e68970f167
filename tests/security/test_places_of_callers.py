"""A caller whose requests all wait for a slow origin or a slow model keeps nobody else waiting."""

import asyncio
import json

import pytest

from testing import load
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin

ANNA, BELA = "key-of-anna-0123456789", "key-of-bela-0123456789"
PLACES = 8


def caption(image_url: str, key: str) -> bytes:
    return load.http_request(
        "POST", "/v1/image/caption", {"image_url": image_url}, Authorization=f"Bearer {key}"
    )


@pytest.mark.slow
async def test_a_caller_with_more_hanging_requests_than_places_keeps_nobody_out(
    origin: Origin,
) -> None:
    server = Altwright(
        API_KEYS=json.dumps([ANNA, BELA]), CONCURRENCY=str(PLACES), QUEUE=str(PLACES),
        FETCH__TIMEOUT_S="60", REQUEST_TIMEOUT_S="60",
    )  # fmt: skip
    await asyncio.to_thread(server.__enter__)
    picture = data_url(jpeg((64, 64)))
    try:
        async with load.Connection(server.url) as connection:
            assert (await connection.send(caption(picture, BELA))).code == "ok"
            hanging = caption(origin.url("/slow-head"), ANNA)
            attack = asyncio.create_task(
                load.send_all(server.url, [hanging] * 3 * PLACES, in_flight=3 * PLACES)
            )
            async with asyncio.timeout(30):
                while len(origin.requests) < PLACES * 3 // 4:
                    await asyncio.sleep(0.02)
            for _ in range(5):
                assert (await connection.send(caption(picture, BELA))).code == "ok"
            assert len(origin.requests) == PLACES * 3 // 4, "all that hung are hanging still"
    finally:
        server.process.kill()
        refused = (await attack).with_codes("overloaded")
        await asyncio.to_thread(server.__exit__, None, None, None)
    assert len(refused) == 3 * PLACES - 2 * (PLACES * 3 // 4), (
        "who asks for too much is told at once"
    )
