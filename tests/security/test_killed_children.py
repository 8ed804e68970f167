"""kill -9 of decode children under load, as the kernel's memory killer does: every image counts."""

import asyncio
import io
import os
import resource
import signal
from pathlib import Path

import pytest
from PIL import Image

from testing import bombs, load, process_tree
from testing.images import data_url, photograph_like
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin

CLIENTS = 8


def busy_decode_children(server: Altwright) -> list[int]:
    """Process ids of the decode children that have started and use a processor now."""
    found = []
    for pid in process_tree.descendants(server.process.pid):
        try:
            is_decoder = b"normalise_job" in Path(f"/proc/{pid}/cmdline").read_bytes()
            # A child may open no file once it has started.
            is_started = resource.prlimit(pid, resource.RLIMIT_NOFILE) == (0, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # it has just ended
        if is_decoder and is_started and state == "R":
            found.append(pid)
    return found


def is_running(pid: int) -> bool:
    """Whether a process has not yet ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_decode_child_costs_no_caller_an_image(origin: Origin, kills: int) -> None:
    """Each kill hits a child at work; the next one comes when everybody has been answered."""
    expensive = origin.serve("/expensive.png", bombs.solid_png((5000, 5000), 8, 0))
    out = io.BytesIO()
    Image.effect_noise((2000, 1500), 60).save(out, "PNG")
    assert len(out.getvalue()) > 1_500_000, "over the megabyte that needs no lease of bytes"
    large = origin.serve("/large.png", out.getvalue())
    messages = [
        load.caption_request(url)
        for seed in range(CLIENTS)
        for url in (expensive, large, data_url(photograph_like((800, 600), seed)))
    ]
    responses: list[list[load.Response]] = [[] for _ in range(CLIENTS)]

    async def run(server: Altwright) -> None:
        is_over = False

        async def client(number: int) -> None:
            async with load.Connection(server.url) as connection:
                while not is_over:
                    message = messages[(number + len(responses[number])) % len(messages)]
                    responses[number].append(await connection.send(message))

        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(client(number))
            for kill in range(kills):
                # A job whose child was killed is answered before the next kill, because a job
                # whose second child is killed fails.
                in_flight = [len(of_client) for of_client in responses]
                while any(map(int.__ge__, in_flight, map(len, responses))):
                    await asyncio.sleep(0.01)
                while not (busy := await asyncio.to_thread(busy_decode_children, server)):
                    await asyncio.sleep(0.001)
                killed = busy[kill % len(busy)]
                os.kill(killed, signal.SIGKILL)
                # Until it has ended it may be given another job, which is lost as well.
                while is_running(killed):
                    await asyncio.sleep(0.001)
            is_over = True

    with Altwright() as server:
        server.warm_up(expensive)
        asyncio.run(run(server))
        codes = load.Responses([response for each in responses for response in each]).codes()
        attempts = [line for line in server.log if "child.lost" in line]
    assert set(codes) == {"ok"}, codes
    assert all("attempt=1" in line for line in attempts), attempts
    assert len(attempts) > kills / 2, "most kills hit a child in the middle of a job"
