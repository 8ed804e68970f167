"""Processor time of one caption, beside thumbor and LiteLLM, which do half of the work each."""

import asyncio
import base64
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.bench import peers
from testing import load, process_tree
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_CLIENTS = 4
"""Enough to keep a server busy."""


@dataclass(frozen=True, slots=True)
class CpuCost:
    """Processor time of one request, in ms."""

    tree_ms: float
    """Of the whole process tree."""
    main_process_ms: float
    """Of the server's first process alone, without its child processes."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A running server and the request that stands for one image."""

    name: str
    url: str
    pid: int
    message: bytes


def measure_cost(counts: Mapping[str, int], *, rounds: int) -> dict[str, dict[str, CpuCost]]:
    """Measure the servers in turn; returns costs by image size, then by server.

    `counts` are the requests of a round by image size.
    """
    with ExitStack() as stack:
        upstream = stack.enter_context(stub_upstreams(list(counts)))
        server = stack.enter_context(Altwright(**stub_model_settings(upstream)))
        thumbor = litellm = None
        if peers.is_installed("thumbor"):
            thumbor = stack.enter_context(peers.thumbor())
            if peers.is_installed("litellm"):
                litellm = stack.enter_context(peers.litellm(upstream))
        candidates: dict[str, list[_Candidate]] = {}
        for size in counts:
            image_url = f"{upstream}/{size}.jpg"
            message = load.caption_request(image_url)
            of_size = [_Candidate("altwright", server.url, server.process.pid, message)]
            if thumbor is not None:
                fetch = load.http_request("GET", peers.thumbor_path(image_url))
                of_size.append(_Candidate("thumbor", thumbor.url, thumbor.pid, fetch))
                if litellm is not None:
                    small = asyncio.run(_fetch_once(thumbor.url, fetch))
                    chat = chat_request(small)
                    of_size.append(_Candidate("litellm", litellm.url, litellm.pid, chat))
            candidates[size] = of_size
        return _median_costs(candidates, counts, rounds)


def chat_request(jpeg: bytes) -> bytes:
    """The chat completion request with this image."""
    url = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "Write alt text for this picture."},
    ]
    body = {"model": "stub", "max_tokens": 64, "messages": [{"role": "user", "content": content}]}
    return load.http_request("POST", "/v1/chat/completions", body)


def _median_costs(
    candidates: Mapping[str, list[_Candidate]], counts: Mapping[str, int], rounds: int
) -> dict[str, dict[str, CpuCost]]:
    found: dict[str, dict[str, list[CpuCost]]] = {size: {} for size in candidates}
    for number in range(rounds + 1):
        for size, of_size in candidates.items():
            for candidate in of_size:
                cost = asyncio.run(_measure(candidate, counts[size]))
                if number:  # the first round opens connections and fills caches
                    found[size].setdefault(candidate.name, []).append(cost)
    return {
        size: {
            name: CpuCost(
                statistics.median(one.tree_ms for one in costs),
                statistics.median(one.main_process_ms for one in costs),
            )
            for name, costs in of_size.items()
        }
        for size, of_size in found.items()
    }


async def _fetch_once(url: str, message: bytes) -> bytes:
    async with load.Connection(url) as connection:
        response = await connection.send(message)
    if response.status != 200:
        raise RuntimeError(f"{url} responded with {response.status}: {response.body[:300]!r}")
    return response.body


async def _measure(candidate: _Candidate, count: int) -> CpuCost:
    """Send about `count` requests, `_CLIENTS` at a time."""
    tree_s = process_tree.tree_cpu_s(candidate.pid)
    main_s = process_tree.cpu_s(candidate.pid)

    async def client() -> None:
        async with load.Connection(candidate.url) as connection:
            for _ in range(count // _CLIENTS):
                response = await connection.send(candidate.message)
                if response.status != 200:
                    reason = f"{response.status} {response.body[:300]!r}"
                    raise RuntimeError(f"{candidate.name}: {reason}")

    await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    per_ms = count // _CLIENTS * _CLIENTS / 1000
    return CpuCost(
        (process_tree.tree_cpu_s(candidate.pid) - tree_s) / per_ms,
        (process_tree.cpu_s(candidate.pid) - main_s) / per_ms,
    )
