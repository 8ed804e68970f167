"""Measures one attack: a fresh server, the good caller alone, then beside the attack."""

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

from benchmarks.chaos.attack import ATTACKER_KEYS, GOOD_KEY, MARKER, Attack, Tally
from benchmarks.chaos.processes import GoodWindow, attacker, good_caller, started
from benchmarks.chaos.verdict import Row, Window
from testing import bombs, load, process_tree
from testing.images import data_url
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import ModelFault, stub_model_settings, stub_upstreams

_SIZES = ("1mp", "2mp")
_RATE_LIMIT = "6000/minute"
"""Of each key: high enough that it hides nothing, and the attacks stay below it."""
PER_SECOND = 25.0
"""Requests of the good caller: a hundred in four seconds, fewer of which have no 99th percentile
but the slowest one."""
_MEMORY_EVERY_S = 0.25
_WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Callers:
    """Connections to the processes of the good caller and of the attacker."""

    good: Connection
    hostile: Connection

    def receive_settings(self) -> dict[str, str]:
        """The settings of the server that the attack needs, once it is prepared."""
        settings: dict[str, str] = self._receive()
        return settings

    def receive_tally(self) -> Tally:
        """What the attack sent and got, once it has ended."""
        tally: Tally = self._receive()
        return tally

    def _receive(self) -> Any:  # noqa: ANN401 - what the two methods above expect
        try:
            return self.hostile.recv()
        except EOFError:
            raise RuntimeError("the attacker's process ended; its error is above") from None


@contextmanager
def started_callers() -> Iterator[Callers]:
    """Both processes, for any number of attacks."""
    with started(good_caller) as good, started(attacker) as hostile:
        yield Callers(good, hostile)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of each part of a measurement, and the good caller's rate."""

    beside_s: float
    alone_s: float
    """Of each of two windows."""
    per_second: float = PER_SECOND
    """Requests of the good caller."""

    @classmethod
    def of(cls, beside_s: float, per_second: float) -> Self:
        """Windows alone that together are as long as the one beside the attack."""
        return cls(beside_s=beside_s, alone_s=beside_s * 0.5, per_second=per_second)


def good_messages(upstream: str) -> list[bytes]:
    """What the good caller sends in turn: photographs of 1 and 2 megapixels, drawings, checks."""

    def post(path: str, body: object) -> bytes:
        return load.http_request("POST", path, body, Authorization=f"Bearer {GOOD_KEY}")

    drawing = data_url(bombs.gradient((400, 300), "PNG"), "image/png")
    text = "A brown wooden bench beside a gravel path in a park with tall green trees."
    one, two, inline = (
        post("/v1/image/caption", {"image_url": url})
        for url in (f"{upstream}/1mp.jpg", f"{upstream}/2mp.jpg", drawing)
    )
    check = post("/v1/caption/check", {"caption": text, "style": "concise"})
    return [one, one, two, one, inline, one, one, two, one, check]


def measure(attack: Attack, callers: Callers, timing: Timing) -> Row:
    """Start a server, measure, and end it."""
    fault = ModelFault(attack.model_fault, MARKER) if attack.model_fault else None
    with ExitStack() as stack:
        callers.hostile.send(attack.name)
        stack.callback(callers.hostile.send, None)
        upstream = stack.enter_context(stub_upstreams(_SIZES, fault=fault))
        settings = callers.receive_settings()
        server = stack.enter_context(Altwright(**_settings(attack, upstream, settings)))
        messages = good_messages(upstream)
        per_second = attack.good_per_second or timing.per_second

        def window(seconds: float) -> Window:
            callers.good.send(GoodWindow(server.url, messages, per_second, seconds))
            found: Window = callers.good.recv()
            return found

        whole_mix_s = len(messages) / per_second
        window(_WARM_UP_S)
        alone = tuple(itertools.starmap(window, [(max(timing.alone_s, whole_mix_s),)] * 2))
        beside_s = max(timing.beside_s, 2 * whole_mix_s)
        cpu_before_s = process_tree.tree_cpu_s(server.process.pid)
        with process_tree.watch_memory(server.process.pid, _MEMORY_EVERY_S) as peak:
            callers.hostile.send((server.url, beside_s))
            beside = window(beside_s)
            tally = callers.receive_tally()
        server_cpu_s = process_tree.tree_cpu_s(server.process.pid) - cpu_before_s
    return Row(
        name=attack.name,
        what=attack.what,
        alone=alone,
        beside=beside,
        attacker_sent=tally.sent,
        attacker_codes=dict(tally.codes),
        peak_mib=peak.mib,
        server_cores=server_cpu_s / beside_s,
        attacker_cores=tally.cpu_s / beside_s,
        allowed=attack.allowed,
    )


def _settings(attack: Attack, upstream: str, more: dict[str, str]) -> dict[str, str]:
    model = {} if attack.uses_embedded else stub_model_settings(upstream)
    return {
        "API_KEYS": json.dumps([GOOD_KEY, *ATTACKER_KEYS]),
        "RATE_LIMIT": _RATE_LIMIT,
        **model,
        **more,
    }
