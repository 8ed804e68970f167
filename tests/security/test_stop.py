"""SIGTERM under load, kill -9 of a decode child under load, callers that go away."""

import asyncio
import contextlib
import os
import signal
import time
from urllib.parse import urlsplit

import pytest

from testing import load, process_tree
from testing.graceful_shutdown import stop_under_load
from testing.images import data_url, jpeg, photograph_like
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin
from testing.servers.raw_model_server import raw_model_server

PICTURE = data_url(photograph_like((2400, 1600)))


@pytest.mark.parametrize("after_s", [0.3, 0.8])
def test_sigterm_under_load_answers_every_accepted_request(after_s: float) -> None:
    """`python -m benchmarks.graceful_shutdown` does it twenty times."""
    with Altwright() as server:
        found = asyncio.run(
            stop_under_load(
                server.url,
                server.terminate,
                load.caption_request(PICTURE),
                clients=24,
                after_s=after_s,
            )
        )
        assert server.process.wait(20) == 0
    assert found.lost == 0
    assert found.answered >= 24
    assert set(found.codes) <= {"ok", "overloaded"}, found.codes


def test_a_killed_decode_child_fails_one_request_and_no_other() -> None:
    """Three times in a row, with sixteen callers at work."""

    async def run(server: Altwright) -> load.Responses:
        working = asyncio.create_task(
            load.closed_loop(server.url, [load.caption_request(PICTURE)], in_flight=16, seconds=3)
        )
        for _ in range(3):
            await asyncio.sleep(0.7)
            os.kill(process_tree.descendants(server.process.pid)[0], signal.SIGKILL)
        return await working

    with Altwright() as server:
        server.warm_up(PICTURE)
        told = asyncio.run(run(server))
        codes = told.codes()
        assert set(codes) <= {"ok", "image_corrupt", "model_error", "overloaded"}, codes
        assert sum(codes.values()) - codes["ok"] <= 3, codes
        assert codes["ok"] > 20
        assert server.caption(PICTURE).status_code == 200
        assert len(process_tree.descendants(server.process.pid)) >= 1


async def left_behind(
    url: str, message: bytes, after_s: float, or_when: asyncio.Event | None = None
) -> None:
    """A caller that asks and goes away."""
    address = urlsplit(url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(message)
    await writer.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for((or_when or asyncio.Event()).wait(), after_s)
    writer.close()


def in_work(server: Altwright) -> int:
    """Caption requests in work, as /metrics tells it."""
    lines = server.get("/metrics").text.splitlines()
    return int(
        float(next(x for x in lines if x.startswith("altwright_requests_in_work ")).split()[1])
    )


def until_idle(server: Altwright, within_s: float) -> None:
    """Wait until nothing is in work."""
    until = time.monotonic() + within_s
    while in_work(server):
        assert time.monotonic() < until, "still in work"
        time.sleep(0.02)


def test_a_caller_that_goes_away_ends_its_fetch(altwright: Altwright, origin: Origin) -> None:
    """The origin's connection closes long before its deadline."""
    altwright.warm_up(PICTURE)  # the text reader's process comes after /readyz, and has descriptors
    sockets = process_tree.open_descriptors(altwright.process.pid)

    async def run() -> None:
        message = load.caption_request(origin.url("/stall"))
        await asyncio.gather(*(left_behind(altwright.url, message, 0.3) for _ in range(10)))

    asyncio.run(run())
    until_idle(altwright, 1)
    time.sleep(0.1)
    assert process_tree.open_descriptors(altwright.process.pid) <= sockets + 2


def test_a_caller_that_goes_away_ends_its_decode(altwright: Altwright, origin: Origin) -> None:
    """Costly pictures that nobody waits for any more do not keep the next caller waiting."""
    url = origin.serve("/costly.jpg", progressive((9000, 9000)))
    altwright.warm_up(data_url(jpeg()))

    async def run() -> None:
        message = load.caption_request(url)
        await asyncio.gather(*(left_behind(altwright.url, message, 0.4) for _ in range(20)))

    asyncio.run(run())
    began = time.monotonic()
    assert altwright.caption(data_url(jpeg())).status_code == 200
    assert time.monotonic() - began < 3


def progressive(size: tuple[int, int]) -> bytes:
    """Some tenths of a second to decode."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, "JPEG", progressive=True)
    return out.getvalue()


async def test_a_caller_that_goes_away_ends_its_model_call() -> None:
    """The model's server sees us hang up."""
    async with raw_model_server() as model:
        model.hang()
        server = await asyncio.to_thread(
            Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k").__enter__
        )
        try:
            message = load.caption_request(data_url(jpeg()))
            leaving = asyncio.create_task(
                left_behind(server.url, message, 60, model.request_received)
            )
            async with asyncio.timeout(20):
                await leaving
            async with asyncio.timeout(2):
                await model.client_disconnected.wait()
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


def test_a_second_sigterm_changes_nothing(model_server: LlmockModelServer) -> None:
    """An orchestrator that repeats itself loses nobody."""
    model_server.delay(1.5, times=None)
    model_server.reply("A round blue disc in the middle of a plain white ground.", times=None)
    with Altwright(MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k") as server:

        async def run() -> load.Response:
            async with load.Connection(server.url) as caller:
                asking = asyncio.create_task(caller.send(load.caption_request(data_url(jpeg()))))
                await asyncio.sleep(0.5)
                for _ in range(3):
                    server.terminate()
                    await asyncio.sleep(0.1)
                return await asking

        assert asyncio.run(run()).status == 200
        assert server.process.wait(20) == 0
