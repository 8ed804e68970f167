"""What an attack is, and how one sends its requests and counts what comes back.

An attack runs in a process of its own, with the hostile servers that it needs. What it sends is
prepared before the measurement, so that the attack costs the server and not the machine.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from testing import load

GOOD_KEY = "chaos-good-caller-0123456789abcdef"
ATTACKER_KEYS = tuple(f"chaos-attacker-{number:02d}-0123456789abcdef" for number in range(20))
MARKER = "bait"
"""The stub model misbehaves on requests whose context contains this word."""


@dataclass(slots=True)
class Tally:
    """How many requests an attack sent, and how often each answer came."""

    sent: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    """By status and code, for instance `503 overloaded`."""
    slowest_s: float = 0.0
    cpu_s: float = 0.0
    """Processor time of the attacker's process, with its servers."""

    def count(self, response: load.Response) -> None:
        """Count one answer."""
        name = response.code if response.status in (0, 200) else _status_and_code(response)
        self.codes[name] += 1
        self.slowest_s = max(self.slowest_s, response.duration_s)


def _status_and_code(response: load.Response) -> str:
    code = response.code
    return code if code == str(response.status) else f"{response.status} {code}"


Run = Callable[[str, Tally], Awaitable[None]]
"""Attacks the server at this URL until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An attack that is ready to begin."""

    run: Run
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the server under attack, for instance the address of a hostile Redis."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the table."""

    name: str
    what: str
    """One line for the table."""
    prepare: Callable[[AsyncExitStack], Awaitable[Prepared]]
    allowed: frozenset[str] = frozenset()
    """Codes with status 502 or 504 that the contract names for this attack."""
    model_fault: str | None = None
    """A name of `testing.servers.model_faults`: what the model's server does to the attacker."""
    good_per_second: float | None = None
    """The good caller's rate, where the server is too slow for the usual one."""
    uses_embedded: bool = False
    """The server has no model: the embedded captioner writes every caption."""


def caption(image_url: str, *, key: str = ATTACKER_KEYS[0], **fields: object) -> bytes:
    """A request for one caption."""
    body = {"image_url": image_url, **fields}
    return load.http_request("POST", "/v1/image/caption", body, Authorization=f"Bearer {key}")


async def send_repeatedly(
    url: str,
    tally: Tally,
    messages: Sequence[bytes],
    *,
    in_flight: int = 8,
    per_second: float = 20.0,
) -> None:
    """Send the messages in turn, all `in_flight` at once, then at most `per_second`."""
    interval_s = in_flight / per_second

    async def client(number: int) -> None:
        async with load.Connection(url) as connection:
            while True:
                tally.sent += 1
                began_s = time.perf_counter()
                tally.count(await connection.send(messages[number % len(messages)]))
                number += in_flight
                await asyncio.sleep(max(0.0, began_s + interval_s - time.perf_counter()))

    async with asyncio.TaskGroup() as group:
        for number in range(in_flight):
            group.create_task(client(number))


def sends(messages: Sequence[bytes], *, in_flight: int = 8, per_second: float = 20.0) -> Run:
    """The `Run` of an attack that only sends messages."""

    async def run(url: str, tally: Tally) -> None:
        await send_repeatedly(url, tally, messages, in_flight=in_flight, per_second=per_second)

    return run
