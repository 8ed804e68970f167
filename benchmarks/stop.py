"""SIGTERM under load, again and again: is every accepted request answered, and is the exit 0?

.venv/bin/python -m benchmarks.stop --times 20
"""

import argparse
import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.service import altwright, far_ends
from testing import load


@dataclass(frozen=True, slots=True)
class Found:
    """What the callers saw of one stop."""

    answered: int
    unanswered: int
    """Accepted, and then the connection ended without an answer."""
    refused: int
    """Not accepted any more: the listener was closed."""
    codes: Counter[str]


async def stopped_under_load(
    url: str, stop: Callable[[], None], message: bytes, callers: int, after_s: float
) -> Found:
    """`callers` ask again and again, each over a connection of its own; `stop` after a while.

    A request counts as accepted once it has been written to a connection that the server had
    accepted. One that is written to a kept-alive connection which the server has just closed was
    not accepted: HTTP clients send it again by themselves, so every request here has a new one.
    """
    codes: Counter[str] = Counter()
    lost = refused = 0
    address = urlsplit(url)
    over = asyncio.Event()

    async def caller() -> None:
        nonlocal lost, refused
        while not over.is_set():
            try:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
            except OSError:
                refused += 1
                return
            try:
                writer.write(message)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                codes[load.Answer(int(head[9:12]), 0, body).code] += 1
            except (OSError, asyncio.IncompleteReadError):
                lost += 1
            finally:
                writer.close()
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    await asyncio.sleep(after_s)
    stop()
    await asyncio.sleep(0)
    _, late = await asyncio.wait(tasks, timeout=25)
    over.set()
    for task in late:
        task.cancel()
    return Found(sum(codes.values()), lost + len(late), refused, codes)


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:")
    return int(lower[at + 15 : lower.index(b"\r", at)])


def main() -> None:
    """Stop it as often as asked; exit code 1 where a request was lost or an exit was not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--callers", type=int, default=48)
    arguments = parser.parse_args()
    bad = 0
    for turn in range(arguments.times):
        after_s = random.uniform(0.2, 2.0)
        with far_ends(["1mp"]) as far, altwright(far) as (url, pid):
            message = load.caption(f"{far}/1mp.jpg")
            found = asyncio.run(
                stopped_under_load(
                    url, lambda: os.kill(pid, signal.SIGTERM), message, arguments.callers, after_s
                )
            )
            began = time.monotonic()
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            print(
                f"{turn + 1:>3}  SIGTERM after {after_s:.1f} s: {found.answered} answered "
                f"({dict(found.codes)}), {found.unanswered} lost, {found.refused} not accepted; "
                f"exit {code}, {time.monotonic() - began:.1f} s after the last answer",
                flush=True,
            )
            bad += found.unanswered + (code != 0)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
