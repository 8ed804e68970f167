"""SIGTERM under load, and callers that disconnect."""

import asyncio
import contextlib
import io
import time
from urllib.parse import urlsplit

import pytest
from PIL import Image

from testing import load, process_tree
from testing.graceful_shutdown import stop_under_load
from testing.images import data_url, jpeg, photograph_like
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin
from testing.servers.raw_model_server import raw_model_server

IMAGE_URL = data_url(photograph_like((2400, 1600)))
CHEAP_IMAGE_URL = data_url(jpeg())


@pytest.mark.parametrize(
    ("after_s", "workers"),
    [
        (0.8, "1"),
        pytest.param(0.3, "1", marks=pytest.mark.slow),
        pytest.param(0.5, "2", marks=pytest.mark.slow),
    ],
)
def test_sigterm_under_load_answers_every_accepted_request(after_s: float, workers: str) -> None:
    """`python -m benchmarks.graceful_shutdown` does it twenty times."""
    with Altwright(DRAIN_NOTICE_S="1", WORKERS=workers) as server:
        server.warm_up(CHEAP_IMAGE_URL)
        found = asyncio.run(
            stop_under_load(
                server.url,
                server.terminate,
                load.caption_request(IMAGE_URL),
                clients=24,
                after_s=after_s,
            )
        )
        assert server.process.wait(20) == 0
    assert found.lost == 0
    assert found.answered >= 24
    assert set(found.codes) <= {"ok", "overloaded"}, found.codes


async def send_and_disconnect(
    url: str, message: bytes, after_s: float, or_when: asyncio.Event | None = None
) -> None:
    """Send a request and close the connection before its response."""
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(message)
    await writer.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for((or_when or asyncio.Event()).wait(), after_s)
    writer.close()


def requests_in_work(server: Altwright) -> int:
    """The gauge of caption requests in /metrics."""
    lines = server.get("/metrics").text.splitlines()
    return int(
        float(next(x for x in lines if x.startswith("altwright_requests_in_work ")).split()[1])
    )


@pytest.mark.slow
def test_a_disconnect_ends_the_fetch(origin: Origin) -> None:
    """Long before the fetch timeout of 60 seconds."""
    with Altwright(FETCH__TIMEOUT_S="60", REQUEST_TIMEOUT_S="90") as server:
        # The OCR process starts after /readyz is 200, and opens descriptors.
        server.warm_up(CHEAP_IMAGE_URL)
        sockets = process_tree.open_descriptors(server.process.pid)

        async def run() -> None:
            message = load.caption_request(origin.url("/stall"))
            await asyncio.gather(
                *(send_and_disconnect(server.url, message, 0.3) for _ in range(10))
            )

        asyncio.run(run())
        end_s = time.monotonic() + 20
        while (
            requests_in_work(server)
            or process_tree.open_descriptors(server.process.pid) > sockets + 2
        ):
            assert time.monotonic() < end_s, "still in work"
            time.sleep(0.02)


@pytest.mark.measures
def test_a_disconnect_ends_the_decoding(altwright: Altwright, origin: Origin) -> None:
    """20 expensive images whose callers have gone do not keep the next caller waiting."""
    url = origin.serve("/expensive.jpg", progressive_jpeg((9000, 9000)))
    altwright.warm_up(CHEAP_IMAGE_URL)

    async def run() -> None:
        message = load.caption_request(url)
        await asyncio.gather(*(send_and_disconnect(altwright.url, message, 0.4) for _ in range(20)))

    started_at_s = time.monotonic()
    assert altwright.caption(url).status_code in (200, 422)
    one_s = time.monotonic() - started_at_s
    asyncio.run(run())
    started_at_s = time.monotonic()
    assert altwright.caption(CHEAP_IMAGE_URL).status_code == 200
    assert time.monotonic() - started_at_s < 5 * one_s


def progressive_jpeg(size: tuple[int, int]) -> bytes:
    """It takes some tenths of a second to decode."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, "JPEG", progressive=True)
    return out.getvalue()


@pytest.mark.slow
async def test_a_disconnect_ends_the_model_call() -> None:
    """The model server sees the connection close, long before the model timeout."""
    async with raw_model_server() as model:
        model.hang()
        server = await asyncio.to_thread(
            Altwright(
                MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k",
                MODEL_TIMEOUT_S="60", REQUEST_TIMEOUT_S="60",
            ).__enter__
        )  # fmt: skip
        try:
            message = load.caption_request(CHEAP_IMAGE_URL)
            async with asyncio.timeout(20):
                await send_and_disconnect(server.url, message, 60, model.request_received)
                await model.client_disconnected.wait()
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.slow
def test_repeated_sigterms_lose_no_request(model_server: LlmockModelServer) -> None:
    model_server.delay(1.5, times=None)
    model_server.reply("A round blue disc in the middle of a plain white ground.", times=None)
    with Altwright(MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k") as server:

        async def run() -> load.Response:
            async with load.Connection(server.url) as client:
                sent = asyncio.create_task(client.send(load.caption_request(CHEAP_IMAGE_URL)))
                while not await asyncio.to_thread(requests_in_work, server):
                    await asyncio.sleep(0.02)
                for _ in range(3):
                    server.terminate()
                    await asyncio.sleep(0.1)
                return await sent

        assert asyncio.run(run()).status == 200
        assert server.process.wait(20) == 0
