"""Long texts of one caller hold nobody up: `POST /v1/caption/check`, and drafts of models."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testing import load, process_tree
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from tests.security.test_shutdown_and_disconnects import requests_in_work, send_and_disconnect

IMAGE_URL = data_url(jpeg((64, 64)))
SHORT = "Two tabby cats sleep on a red sofa."
LONG_TEXTS = ["a." * 2_500, "！a" * 2_500, "“a. " * 1_250, "1. a " * 1_000]
KEYS = {"good": "a-key-of-the-caller-that-behaves", "bad": "a-key-of-the-caller-that-does-not"}


def check_request(text: str, *, key: str = KEYS["bad"]) -> bytes:
    return load.http_request(
        "POST", "/v1/caption/check", {"caption": text}, Authorization=f"Bearer {key}"
    )


@contextmanager
def stopped_validation(server: Altwright) -> Iterator[None]:
    """The child process that validates long texts is stopped for the length of the block."""
    (pid,) = (
        pid
        for pid in process_tree.descendants(server.process.pid)
        if "validation_handler" in Path(f"/proc/{pid}/cmdline").read_text()
    )
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_check_past_its_deadline_is_overloaded_and_others_are_answered() -> None:
    """More long texts than fit into the time of a request; short ones and captions need no turn."""
    with Altwright(REQUEST_TIMEOUT_S="3") as server, stopped_validation(server):

        async def run() -> load.Responses:
            messages = [check_request(text) for text in LONG_TEXTS] * 4
            checking = asyncio.create_task(
                load.send_all(server.url, messages, in_flight=len(messages))
            )
            while requests_in_work(server) < len(messages):
                await asyncio.sleep(0.01)
            assert server.post("/v1/caption/check", {"caption": SHORT}).json()["ok"]
            assert server.caption(IMAGE_URL).status_code == 200
            assert not checking.done()
            return await checking

        refused = asyncio.run(run())
    assert set(refused.codes()) == {"overloaded"}
    assert all(b"\r\nretry-after: " in response.head for response in refused.items)


@pytest.mark.slow
def test_a_disconnect_ends_the_check_of_a_text() -> None:
    """Long before the deadline, while it waits for its turn or is validated."""
    with Altwright(REQUEST_TIMEOUT_S="60") as server, stopped_validation(server):

        async def run() -> None:
            messages = [check_request(text) for text in LONG_TEXTS]
            async with asyncio.timeout(30):
                gone = asyncio.Event()
                sending = asyncio.gather(
                    *(send_and_disconnect(server.url, message, 30, gone) for message in messages)
                )
                while requests_in_work(server) < len(messages):
                    await asyncio.sleep(0.01)
                gone.set()
                await sending
                while requests_in_work(server):
                    await asyncio.sleep(0.01)

        asyncio.run(run())


@pytest.mark.measures
def test_long_texts_of_one_caller_delay_no_other() -> None:
    """54 texts of 5,000 characters at once, beside another caller's captions and checks."""
    with Altwright(API_KEYS=json.dumps(list(KEYS.values()))) as server:
        caption = load.http_request(
            "POST",
            "/v1/image/caption",
            {"image_url": IMAGE_URL},
            Authorization=f"Bearer {KEYS['good']}",
        )
        good = [caption, check_request(SHORT, key=KEYS["good"])]
        bad = [check_request(text) for text in LONG_TEXTS * 14][:54]

        async def run() -> tuple[load.Responses, load.Responses, load.Responses]:
            await load.closed_loop(server.url, good, in_flight=1, seconds=1)
            alone = await load.closed_loop(server.url, good, in_flight=1, seconds=3)
            attack = asyncio.create_task(load.send_all(server.url, bad, in_flight=len(bad)))
            beside = await load.closed_loop(server.url, good, in_flight=1, seconds=3)
            return alone, beside, await attack

        alone, beside, attack = asyncio.run(run())
    assert set(attack.codes()) == set(alone.codes()) == set(beside.codes()) == {"ok"}
    # In a thread the same texts made it 1,000 ms and more.
    assert beside.percentile_ms(0.99) < 2 * alone.percentile_ms(0.99) + 100
