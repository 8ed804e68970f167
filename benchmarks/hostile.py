"""Decompression bombs sent in parallel, beside one well-behaved client.

    .venv/bin/python -m benchmarks.hostile --seconds 30

Starts the real server with its defaults and a model that responds at once. The well-behaved client
requests captions of a one-megapixel image, first alone and then beside the hostile clients, in
turns within one run, so that the load of a busy machine falls on both.
"""

import argparse
import asyncio
import multiprocessing
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import cpu_steal
from testing import bombs, load, process_tree
from testing.servers.altwright import Altwright
from testing.servers.file_origin import file_origin
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

MAX_MEMORY_MIB = 1024
MAX_SLOWDOWN = 2.0
"""p99 of the well-behaved client beside the hostile ones, over its p99 alone."""


async def _attack(
    url: str, files: Mapping[str, bytes], in_flight: int, seconds: float
) -> load.Responses:
    async with file_origin(files) as origin_url:
        messages = [load.caption_request(f"{origin_url}/{name}") for name in files]
        return await load.closed_loop(url, messages, in_flight=in_flight, seconds=seconds)


def _attacker_main(
    commands: Connection, url: str, files: Mapping[str, bytes], in_flight: int
) -> None:
    """Attack for each number of seconds received; 0 ends the process.

    Hostile clients and their origin copy gigabytes. In the process of the well-behaved client that
    would be measured as delay of the server.
    """
    while seconds := commands.recv():
        commands.send(asyncio.run(_attack(url, files, in_flight, seconds)))


@contextmanager
def attacker(url: str, files: Mapping[str, bytes], in_flight: int) -> Iterator[Connection]:
    """Start the attacking process; send it seconds, receive its `Responses`."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_attacker_main, args=(theirs, url, dict(files), in_flight))
    process.start()
    try:
        yield ours
    finally:
        ours.send(0)
        process.join()


async def measure(
    server: Altwright, message: bytes, hostile: Connection, seconds: float, turns: int
) -> bool:
    """Print the figures; True where all targets were met."""
    pid = server.process.pid
    await load.closed_loop(server.url, [message], in_flight=1, seconds=2)
    alone, beside, attacks = load.Responses(), load.Responses(), load.Responses()

    async def well_behaved() -> list[load.Response]:
        return (
            await load.closed_loop(
                server.url, [message], in_flight=1, seconds=seconds, pause_s=0.02
            )
        ).items

    with process_tree.watch_memory(pid) as peak:
        for _ in range(turns):
            alone.items += await well_behaved()
            hostile.send(seconds)
            beside.items += await well_behaved()
            attacks.items += (await asyncio.to_thread(hostile.recv)).items
    print(f"bombs: {len(attacks)} responses, {dict(attacks.codes())}")
    print(f"       the slowest took {attacks.percentile_ms(1) / 1000:.1f} s")
    for name, responses in (("alone", alone), ("beside", beside)):
        print(
            f"well-behaved, {name:>6}: {len(responses)} {dict(responses.codes())}, "
            f"p50 {responses.percentile_ms(0.5):.0f} ms, p99 {responses.percentile_ms(0.99):.0f} ms"
        )
    print(
        f"memory of the process tree: peak {peak.mib:.0f} MiB, "
        f"now {process_tree.tree_memory_bytes(pid) >> 20}"
    )
    return (
        not {"internal", "connection_lost"} & set(attacks.codes())
        and set(beside.codes()) == {"ok"}
        and peak.mib < MAX_MEMORY_MIB
        and beside.percentile_ms(0.99) <= MAX_SLOWDOWN * alone.percentile_ms(0.99)
    )


def main() -> None:
    """Measure and print; exit code 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of attack, all turns together")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=8, help="hostile clients")
    parser.add_argument("--only", nargs="+", help="names of bombs; all by default")
    parser.add_argument("--except", nargs="+", default=[], dest="left_out", help="names of bombs")
    parser.add_argument("--folder", type=Path, help="send the files of this folder too")
    arguments = parser.parse_args()
    files = dict(bombs.all_bombs(large=True))
    if arguments.folder:
        files |= {p.name: p.read_bytes() for p in arguments.folder.iterdir() if p.is_file()}
    if arguments.only:
        files = {name: files[name] for name in arguments.only}
    files = {name: data for name, data in files.items() if name not in arguments.left_out}
    before = cpu_steal.read_ticks()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    started_at_s = time.monotonic()
    with (
        stub_upstreams(["1mp"]) as upstream,
        Altwright(**stub_model_settings(upstream)) as server,
        attacker(server.url, files, arguments.in_flight) as hostile,
    ):
        message = load.caption_request(f"{upstream}/1mp.jpg")
        seconds = arguments.seconds / arguments.turns
        met = asyncio.run(measure(server, message, hostile, seconds, arguments.turns))
    print(cpu_steal.describe_since(before))
    print(f"targets {'met' if met else 'MISSED'} after {time.monotonic() - started_at_s:.0f} s")
    raise SystemExit(not met)


if __name__ == "__main__":
    main()
