"""Bombs and misbehaving origins in parallel: codes, deadlines, memory, and who else is served.

    .venv/bin/python -m benchmarks.hostile --seconds 30

Starts the real server with its defaults and a model that answers at once. One well-behaved caller
asks for captions of a one-megapixel picture, alone first and then beside the hostile ones, in turns
within one run, so that a busy machine is busy for both.
"""

import argparse
import asyncio
import multiprocessing
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import neighbours
from benchmarks.service import altwright, far_ends
from testing import bombs, load, process_tree

_PIECE_BYTES = 256 * 1024

_REFUSED = frozenset({"image_corrupt", "image_too_large"})
_FINE = frozenset({"ok", "caption_uncertain"})
"""An odd file with a sound first picture."""

EXPECTED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("flood.png", "flood-uint32.png", "flood.jpg", "flood.gif", "flood.bmp",
                     "flood.webp", "flood.tif"), frozenset({"image_too_large"})),
    **dict.fromkeys(("scans-small.jpg", "scans-large.jpg", "segments.jpg", "fill-bytes.jpg",
                     "zTXt.png", "iCCP.png", "tags.tif", "strips.tif", "tile.tif", "zeros.jpg",
                     "archive.jpg", "flood-deep.png"), _REFUSED | _FINE),
    **dict.fromkeys(("scans-allowed.jpg", "smooth.webp", "smooth.png", "texts.png"), _FINE),
    **dict.fromkeys(("flood-at-the-limit.png", "frames.gif", "frames.png", "frames.webp",
                     "circle.tif", "longer-than-it-says.png"), _FINE),
    "archive.zip": frozenset({"image_unsupported"}),
}  # fmt: skip
"""What each bomb of testing.bombs may be answered with."""

ORIGIN_EXPECTED: Mapping[str, str] = {
    "/drip": "image_timeout",
    "/drip-head": "image_timeout",
    "/stall": "image_timeout",
    "/slow-head": "image_timeout",
    "/endless": "image_too_large",
    "/huge": "image_too_large",
    "/gzip": "image_unsupported",
    "/endless-head": "image_unreachable",
    "/early-hints": "image_unreachable",
    "/nonsense": "image_unreachable",
    "/cut": "image_unreachable",
    "/reset": "image_unreachable",
}
"""Paths of the tests' origin, and the code that each has."""


async def thrown_in_parallel(url: str, messages: Sequence[bytes], *, in_flight: int) -> load.Told:
    """Each message once, so many at a time."""
    told = load.Told()
    left = list(messages)

    async def caller() -> None:
        async with load.Connection(url) as connection:
            while left:
                told.answers.append(await connection.ask(left.pop()))

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return told


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, files: Mapping[str, bytes]
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = memoryview(files[head.split(b" ", 2)[1].decode().lstrip("/")])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            for at in range(0, len(body), _PIECE_BYTES):
                writer.write(body[at : at + _PIECE_BYTES])
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass  # 3.11 logs a server's task that ends cancelled as an error
    finally:
        writer.close()


async def _attack(
    url: str, files: Mapping[str, bytes], in_flight: int, seconds: float
) -> load.Told:
    server = await asyncio.start_server(lambda r, w: _serve(r, w, files), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    messages = [load.caption(f"http://127.0.0.1:{port}/{name}") for name in files]
    told = await load.closed_loop(url, messages, in_flight=in_flight, seconds=seconds)
    server.close()
    return told


def _attacks(ours: Connection, url: str, files: Mapping[str, bytes], in_flight: int) -> None:
    """Attack for as many seconds as are asked for, again and again; runs in a process of its own.

    Callers and origin copy gigabytes: in the well-behaved caller's process that would be measured
    as the server's delay.
    """
    while seconds := ours.recv():
        ours.send(asyncio.run(_attack(url, files, in_flight, seconds)))


@contextmanager
def attacker(url: str, files: Mapping[str, bytes], in_flight: int) -> Iterator[Connection]:
    """Takes seconds, and hands back what the hostile callers were told."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_attacks, args=(theirs, url, dict(files), in_flight))
    process.start()
    try:
        yield ours
    finally:
        ours.send(0)
        process.join()


async def measured(
    url: str, pid: int, good: bytes, hostile: Connection, seconds: float, turns: int
) -> bool:
    """Print the figures; whether all promises held."""
    await load.closed_loop(url, [good], in_flight=1, seconds=2)
    alone, beside, thrown = load.Told(), load.Told(), load.Told()
    with process_tree.watched(pid) as peak:
        for _ in range(turns):
            part = await load.closed_loop(url, [good], in_flight=1, seconds=seconds, pause_s=0.02)
            alone.answers += part.answers
            hostile.send(seconds)
            part = await load.closed_loop(url, [good], in_flight=1, seconds=seconds, pause_s=0.02)
            beside.answers += part.answers
            thrown.answers += (await asyncio.to_thread(hostile.recv)).answers
    print(f"bombs: {len(thrown.answers)} answered, {dict(thrown.codes())}")
    print(f"       the slowest took {thrown.percentile_ms(1) / 1000:.1f} s")
    for name, told in (("alone", alone), ("beside", beside)):
        print(
            f"well-behaved, {name:>6}: {len(told.answers)} {dict(told.codes())}, "
            f"p50 {told.percentile_ms(0.5):.0f} ms, p99 {told.percentile_ms(0.99):.0f} ms"
        )
    print(
        f"memory of the process tree: peak {peak.mib:.0f} MiB, "
        f"now {process_tree.tree_bytes(pid) >> 20}"
    )
    return (
        not {"internal", "cut"} & set(thrown.codes())
        and set(beside.codes()) == {"ok"}
        and peak.mib < 1024
        and beside.percentile_ms(0.99) <= 2 * alone.percentile_ms(0.99)
    )


def main() -> None:
    """Measure and print; exit code 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of attack, all turns together")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=8, help="hostile callers at once")
    parser.add_argument("--only", nargs="+", help="names of bombs; all without it")
    parser.add_argument("--but", nargs="+", default=[], help="names of bombs to leave out")
    parser.add_argument("--folder", type=Path, help="throw the files of this folder too")
    arguments = parser.parse_args()
    files = dict(bombs.all_bombs(large=True))
    if arguments.folder:
        files |= {p.name: p.read_bytes() for p in arguments.folder.iterdir() if p.is_file()}
    if arguments.only:
        files = {name: files[name] for name in arguments.only}
    files = {name: data for name, data in files.items() if name not in arguments.but}
    before = neighbours.ticks()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    began = time.monotonic()
    with (
        far_ends(["1mp"]) as far,
        altwright(far) as (url, pid),
        attacker(url, files, arguments.in_flight) as hostile,
    ):
        good = load.caption(f"{far}/1mp.jpg")
        seconds = arguments.seconds / arguments.turns
        held = asyncio.run(measured(url, pid, good, hostile, seconds, arguments.turns))
    print(neighbours.told(before))
    print(f"{'held' if held else 'did NOT hold'}, after {time.monotonic() - began:.0f} s")
    raise SystemExit(not held)


if __name__ == "__main__":
    main()
