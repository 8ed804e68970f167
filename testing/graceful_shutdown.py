"""A stop under load: whether every accepted request gets its response."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from testing import load

_TIMEOUT_S = 25.0


@dataclass(frozen=True, slots=True)
class ShutdownResult:
    """What the clients saw of one stop."""

    answered: int
    lost: int
    """Accepted requests whose connection ended without a response."""
    refused: int
    """Connections refused because the listener was closed."""
    codes: Counter[str]


async def stop_under_load(
    url: str, stop: Callable[[], None], message: bytes, *, clients: int, after_s: float
) -> ShutdownResult:
    """Call `stop` after a while; `clients` send requests until no connection is accepted.

    Each request has a connection of its own and counts as accepted once it is written to one that
    the server accepted. On a kept-alive connection that the server has just closed, a request would
    not be accepted; HTTP clients then send it again.
    """
    codes: Counter[str] = Counter()
    lost = refused = 0
    address = urlsplit(url)
    finished = asyncio.Event()

    async def client() -> None:
        nonlocal lost, refused
        while not finished.is_set():
            try:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
            except OSError:
                refused += 1
                return
            try:
                writer.write(message)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_content_length(head))
                codes[load.Response(int(head[9:12]), 0, body).code] += 1
            except (OSError, asyncio.IncompleteReadError):
                lost += 1
            finally:
                writer.close()
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    await asyncio.sleep(after_s)
    stop()
    await asyncio.sleep(0)
    _, unfinished = await asyncio.wait(tasks, timeout=_TIMEOUT_S)
    finished.set()
    for task in unfinished:
        task.cancel()
    return ShutdownResult(sum(codes.values()), lost + len(unfinished), refused, codes)


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:")
    return int(lower[at + 15 : lower.index(b"\r", at)])
