"""Part two: the whole service, with a model that answers at once or takes its time.

Load and both far ends run beside the server on the same machine. Processor time is that of the
server's own process tree alone, so they do not count into it; where time on the clock is measured
(`scaling`, `start`, `latency`), what is said there says how they were accounted for.
"""

import asyncio
import base64
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.bench import peers
from benchmarks.bench.engines import engine
from benchmarks.service import altwright, cpu_seconds, far_ends, own_cpu_seconds
from testing import load, process_tree
from testing.photographs import Photograph

Cores = frozenset[int]

_CALLERS = 4
"""Enough that a server is busy, as it is where its processor time is a bill."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to be asked, with the request that stands for one picture."""

    name: str
    url: str
    pid: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time of one request, in ms."""

    whole: float
    """The process tree's."""
    own: float
    """The server's first process alone: without its decoding children."""


def cost(counts: Mapping[str, int], *, rounds: int) -> dict[str, dict[str, Cost]]:
    """What one caption of a JPEG costs here, and what thumbor and LiteLLM take for their halves.

    `counts` are requests a round by the picture's size. The servers are asked in turn, each by
    `_CALLERS` at a time. Answers by size, then by server.
    """
    with ExitStack() as stack:
        far = stack.enter_context(far_ends(list(counts)))
        url, pid = stack.enter_context(altwright(far))
        thumbor = litellm = None
        if peers.is_installed("thumbor"):
            thumbor = stack.enter_context(peers.thumbor())
            if peers.is_installed("litellm"):
                litellm = stack.enter_context(peers.litellm(far))
        subjects: dict[str, list[Subject]] = {}
        for size in counts:
            picture_url = f"{far}/{size}.jpg"
            asked = [Subject("altwright", url, pid, load.caption(picture_url))]
            if thumbor is not None:
                fetch = load.request("GET", peers.thumbor_path(picture_url))
                asked.append(Subject("thumbor", thumbor.url, thumbor.pid, fetch))
                if litellm is not None:
                    small = asyncio.run(_asked_once(thumbor.url, fetch)).body
                    asked.append(Subject("litellm", litellm.url, litellm.pid, _chat(small)))
            subjects[size] = asked
        return _costs(subjects, counts, rounds)


def _costs(
    subjects: Mapping[str, list[Subject]], counts: Mapping[str, int], rounds: int
) -> dict[str, dict[str, Cost]]:
    seen: dict[str, dict[str, list[Cost]]] = {size: {} for size in subjects}
    for turn in range(rounds + 1):
        for size, asked in subjects.items():
            for subject in asked:
                figure = asyncio.run(_cost_of(subject, counts[size]))
                if turn:  # the first time connections are opened and caches filled
                    seen[size].setdefault(subject.name, []).append(figure)
    return {
        size: {
            name: Cost(
                statistics.median(one.whole for one in costs),
                statistics.median(one.own for one in costs),
            )
            for name, costs in of_size.items()
        }
        for size, of_size in seen.items()
    }


def _chat(jpeg: bytes) -> bytes:
    """The chat call that a program would make with what thumbor gave it."""
    url = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "Write alt text for this picture."},
    ]
    body = {"model": "fake", "max_tokens": 64, "messages": [{"role": "user", "content": content}]}
    return load.request("POST", "/v1/chat/completions", body)


async def _asked_once(url: str, message: bytes) -> load.Answer:
    async with load.Connection(url) as connection:
        answer = await connection.ask(message)
    if answer.status != 200:
        raise RuntimeError(f"{url} answered {answer.status}: {answer.body[:300]!r}")
    return answer


async def _cost_of(subject: Subject, count: int) -> Cost:
    """`_CALLERS` callers, `count` requests together."""
    before, own = cpu_seconds(subject.pid), own_cpu_seconds(subject.pid)

    async def caller() -> None:
        async with load.Connection(subject.url) as connection:
            for _ in range(count // _CALLERS):
                answer = await connection.ask(subject.message)
                if answer.status != 200:
                    raise RuntimeError(f"{subject.name}: {answer.status} {answer.body[:300]!r}")

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    each = count // _CALLERS * _CALLERS / 1000
    return Cost(
        (cpu_seconds(subject.pid) - before) / each, (own_cpu_seconds(subject.pid) - own) / each
    )


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians in ms at one request at a time."""

    caption: float
    normaliser: float
    far_ends: float
    """Fetching the picture and calling the model directly: what no server could take away."""


def latency(count: int) -> Latency:
    """A caption of 1 megapixel, a bare normalisation and the bare far ends, in turn."""
    with far_ends(["1mp"]) as far, altwright(far) as (url, pid), engine("altwright") as way:
        del pid
        asyncio.run(_latency_once(url, far, load.caption(f"{far}/1mp.jpg"), 10))
        picture = Photograph("1mp", "baseline")
        captions: list[float] = []
        direct: list[float] = []
        bare: list[float] = []
        for _ in range(count // 5):
            bare += [way.make(picture)["wall_ms"] for _ in range(5)]
            one, other = asyncio.run(_latency_once(url, far, load.caption(f"{far}/1mp.jpg"), 6))
            captions += one[1:]
            direct += other[1:]
    return Latency(statistics.median(captions), statistics.median(bare), statistics.median(direct))


async def _latency_once(
    url: str, far: str, message: bytes, count: int
) -> tuple[list[float], list[float]]:
    fetch, chat = load.request("GET", "/1mp.jpg"), _chat(bytes(190_000))
    captions, direct = [], []
    async with load.Connection(url) as server, load.Connection(far) as ends:
        for _ in range(count):
            captions.append((await server.ask(message)).took_s * 1000)
            both = [await ends.ask(fetch), await ends.ask(chat)]
            direct.append(sum(answer.took_s for answer in both) * 1000)
    return captions, direct


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many callers and a slow model."""

    callers: int
    model_ms: float
    alone_ms: float
    """Median for one caller at a time."""
    p50_ms: float
    a_second: float
    cores_used: float
    """By the server's process tree."""
    failed: int

    @property
    def added_alone_ms(self) -> float:
        """What the server adds to the model's time, for one caller."""
        return self.alone_ms - self.model_ms

    @property
    def added_ms(self) -> float:
        """What it adds in the crowd."""
        return self.p50_ms - self.model_ms


def crowd(
    *, model_s: float, callers: int, a_second: float, seconds: float, concurrency: int
) -> Crowd:
    """`callers` that together ask `a_second` times: below what the processors can carry."""
    with (
        far_ends(["1mp"], delay_s=model_s) as far,
        altwright(far, ALTWRIGHT_CONCURRENCY=str(concurrency)) as (url, pid),
    ):
        messages = [load.caption(f"{far}/1mp.jpg")]
        asyncio.run(load.closed_loop(url, messages, in_flight=8, seconds=1))
        alone = asyncio.run(load.closed_loop(url, messages, in_flight=1, seconds=seconds / 2))
        before, began_s = cpu_seconds(pid), time.perf_counter()
        told = asyncio.run(
            load.open_loop(url, messages, a_second=a_second, seconds=seconds, connections=callers)
        )
        took_s = time.perf_counter() - began_s
        return Crowd(
            callers=callers,
            model_ms=model_s * 1000,
            alone_ms=alone.percentile_ms(0.5),
            p50_ms=told.of("ok").percentile_ms(0.5),
            a_second=len(told.answers) / took_s,
            cores_used=(cpu_seconds(pid) - before) / took_s,
            failed=len(told.answers) - len(told.of("ok").answers),
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """Memory of the process tree in MiB."""

    captions: int
    after_a_tenth: float
    at_the_end: float

    @property
    def percent(self) -> float:
        """How much more it was at the end."""
        return (self.at_the_end / self.after_a_tenth - 1) * 100


def growth(captions: int) -> Growth:
    """Memory after the first tenth of so many captions, and after the last."""
    with far_ends(["1mp"]) as far, altwright(far) as (url, pid):
        message = load.caption(f"{far}/1mp.jpg")
        sizes = []
        for count in (captions // 10, captions - captions // 10):
            asyncio.run(_asked_often(url, message, count))
            sizes.append(_settled_mib(pid))
    return Growth(captions, *sizes)


async def _asked_often(url: str, message: bytes, count: int) -> None:
    left = iter(range(count))

    async def caller() -> None:
        async with load.Connection(url) as connection:
            for _ in left:
                answer = await connection.ask(message)
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status} {answer.body[:300]!r}")

    await asyncio.gather(*(caller() for _ in range(8)))


def _settled_mib(pid: int) -> float:
    """The median of some looks, once what was in work has let go."""
    time.sleep(1.0)
    looks = []
    for _ in range(5):
        looks.append(process_tree.tree_bytes(pid) / 1_048_576)
        time.sleep(0.1)
    return statistics.median(looks)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Captions a second by cores."""

    by_cores: dict[int, float]

    @property
    def factor(self) -> float:
        """What the second core brings."""
        return self.by_cores[2] / self.by_cores[1]


def scaling(*, rounds: int, seconds: float) -> Scaling:
    """Servers bound to one core and to two, in turn.

    Load and far ends are bound to the same cores as the server that they serve: they take the same
    processor time of every caption, so one core has not more of it left than each of two.
    """
    every = sorted(os.sched_getaffinity(0))
    if len(every) < 2:
        raise RuntimeError("there is only one core here")
    sides: list[Cores] = [frozenset(every[:1]), frozenset(every[:2])]
    seen: dict[int, list[float]] = {len(side): [] for side in sides}
    with ExitStack() as stack:
        started = []
        for side in sides:
            with bound(side):  # what is started here inherits it
                far = stack.enter_context(far_ends(["1mp"]))
                url, _ = stack.enter_context(altwright(far))
            started.append((side, url, [load.caption(f"{far}/1mp.jpg")]))
        for turn in range(rounds + 1):
            for side, url, messages in started:
                with bound(side):
                    rate = asyncio.run(_rate(url, messages, seconds if turn else 2.0))
                if turn:
                    seen[len(side)].append(rate)
    return Scaling({cores: statistics.median(rates) for cores, rates in seen.items()})


async def _rate(url: str, messages: Sequence[bytes], seconds: float) -> float:
    began_s = time.perf_counter()
    told = await load.closed_loop(url, messages, in_flight=16, seconds=seconds)
    if len(told.of("ok").answers) != len(told.answers):
        raise RuntimeError(f"not every caption came: {told.codes()}")
    return len(told.answers) / (time.perf_counter() - began_s)


@contextmanager
def bound(cores: Cores) -> Iterator[None]:
    """This thread, and what it starts, on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(times: int) -> float:
    """Median seconds from starting `python -m app serve` to the first answer of /healthz."""
    message = load.request("GET", "/healthz")
    seen = []
    for _ in range(times):
        port = peers.free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
        began_s = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            env=env | {"ALTWRIGHT_PORT": str(port)},
            stderr=subprocess.DEVNULL,
        )
        try:
            asyncio.run(_first_answer(port, message))
            seen.append(time.perf_counter() - began_s)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(25)
    return statistics.median(seen)


async def _first_answer(port: int, message: bytes) -> None:
    until_s = time.perf_counter() + 30
    while time.perf_counter() < until_s:
        async with load.Connection(f"http://127.0.0.1:{port}") as connection:
            if (await connection.ask(message)).status == 200:
                return
        await asyncio.sleep(0.005)
    raise TimeoutError("no answer from /healthz")
