"""Usage and quotas under kills: 8 workers, 3 replicas, 20 keys, kill -9, pauses of Redis.

    .venv/bin/python -m benchmarks.usage --requests 100000

Each worker is a process that sends one request after another on a few connections, and counts the
answers of each key by outcome. Meanwhile replicas are killed and started again, and Redis is
paused; in every second pause a replica is killed as well. At the end the usage that the servers
tell is compared with the answers, and the captions of each key with its quota. The model server is
a stub; pictures are small, and most captions come from the cache, so that counting is a large part
of the work.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.pool import AsyncResult
from pathlib import Path

import httpx

from app.settings.keys_file import KeyEntry, KeysFile, hash_key, write_keys_file
from testing import load
from testing.images import data_url, jpeg
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.redis import RedisServer
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_KEYS, _REPLICAS, _WORKERS, _CONNECTIONS = 20, 3, 8, 4
_PICTURES = 50
_CHECKS = 0.7
"""Share of the requests that check a text: they are counted, and cost a third of a caption."""
_SETTLE_TIMEOUT_S = 30.0
_STORED_AFTER_S = 1.0
_OUT_S = 8.0
"""How long a worker sends nothing to a replica that lost a connection."""

KeyCounts = Counter[tuple[str, str]]
"""Answers by key and outcome."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker sends."""

    urls: tuple[str, ...]
    requests: int
    ends_at_s: float
    """By `time.time()`."""
    seed: int


@dataclass(frozen=True, slots=True)
class Chaos:
    """What happened to the servers meanwhile."""

    kills: int
    kills_in_pauses: int
    pauses: int


def key_name(number: int) -> str:
    """The name of a key."""
    return f"key-{number:02}"


def quota_of(number: int, requests: int) -> int | None:
    """Every second key has a quota: none, or a part of what its workers will ask for."""
    if number % 2:
        return None
    share = requests * (1 - _CHECKS) / _KEYS
    return int(share * number / _KEYS)


def run_worker(plan: Plan) -> KeyCounts:
    """Send the plan's requests; returns its answers. Runs in a process of its own."""
    return asyncio.run(_send_all(plan))


async def _send_all(plan: Plan) -> KeyCounts:
    chance = random.Random(plan.seed)
    pictures = [data_url(jpeg((64 + number, 64))) for number in range(_PICTURES)]
    counts: KeyCounts = Counter()
    left = plan.requests
    lost_at_s = [float("-inf")] * len(plan.urls)

    async def send_some() -> None:
        nonlocal left
        connections = [load.Connection(url) for url in plan.urls]
        while left > 0 and time.time() < plan.ends_at_s:
            left -= 1
            name = key_name(chance.randrange(_KEYS))
            message = _message(chance, name, pictures)
            # A balancer would leave a replica out that was killed, until it is ready again.
            usable = [
                n for n in range(len(connections)) if lost_at_s[n] < time.monotonic() - _OUT_S
            ]
            number = chance.choice(usable or range(len(connections)))
            response = await connections[number].send(message, timeout_s=60, may_resend=False)
            counts[name, _outcome(response)] += 1
            if response.status == load.CONNECTION_LOST:
                lost_at_s[number] = time.monotonic()
                left += 1

    await asyncio.gather(*(send_some() for _ in range(_CONNECTIONS)))
    return counts


def _message(chance: random.Random, name: str, pictures: Sequence[str]) -> bytes:
    headers = {"Authorization": f"Bearer secret-of-{name}"}
    if chance.random() < _CHECKS:
        body = {"caption": "A white mug on a plain white background."}
        return load.http_request("POST", "/v1/caption/check", body, **headers)
    body = {"image_url": chance.choice(pictures)}
    return load.http_request("POST", "/v1/image/caption", body, **headers)


def _outcome(response: load.Response) -> str:
    if response.code != "ok":
        return response.code
    body = response.json()
    return "check" if "ok" in body else "decorative" if body["decorative"] else "caption"


def run_chaos(
    servers: Sequence[Altwright],
    redis: RedisServer,
    kill_every_s: float,
    pause_s: float,
    workers: Sequence["AsyncResult[KeyCounts]"],
) -> Chaos:
    """Kill replicas in turn, and pause Redis between two kills, until the workers have ended.

    The next one is killed when the last one is ready again: two of three are always there.
    """
    kills = in_pauses = pauses = 0

    def kill_next() -> Altwright:
        nonlocal kills
        server = servers[kills % len(servers)]
        server.process.kill()
        server.process.wait()
        server.start()
        kills += 1
        return server

    while not _wait_for(workers, kill_every_s):
        server = kill_next()
        if _wait_until_ready(server.url, workers) or _wait_for(workers, kill_every_s):
            break
        redis.pause()
        pauses += 1
        _wait_for(workers, pause_s)
        if pauses % 2 == 0:
            server = kill_next()
            in_pauses += 1
        redis.resume()
        if _wait_until_ready(server.url, workers):
            break
    return Chaos(kills, in_pauses, pauses)


def _wait_until_ready(url: str, workers: Sequence["AsyncResult[KeyCounts]"]) -> bool:
    """Whether all workers ended before the server was ready."""
    while not _wait_for(workers, 0.5):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", timeout=30).status_code == 200:
                return False
    return True


def _wait_for(workers: Sequence["AsyncResult[KeyCounts]"], seconds: float) -> bool:
    """Whether all workers ended within the time."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if all(worker.ready() for worker in workers):
            return True
        time.sleep(0.05)
    return False


def read_usage(url: str) -> Mapping[str, dict[str, object]]:
    """What the servers tell of each key, once all replicas have stored what they counted."""
    found = {}
    for number in range(_KEYS):
        name = key_name(number)
        headers = {"Authorization": f"Bearer secret-of-{name}"}
        response = httpx.get(f"{url}/v1/usage", headers=headers, timeout=30)
        found[name] = response.raise_for_status().json()
    return found


def report(answers: KeyCounts, usage: Mapping[str, dict[str, object]], requests: int) -> bool:
    """Print a line for each key; returns whether both promises were kept."""
    print(
        f"{'key':8}{'answered':>10}{'lost':>6}{'counted':>10}{'captions':>10}{'told':>8}{'quota':>8}"
    )
    answered_all = counted_all = lost_all = passed = 0
    for number in range(_KEYS):
        name, quota = key_name(number), quota_of(number, requests)
        of_key = {outcome: n for (key, outcome), n in answers.items() if key == name}
        lost = of_key.pop("connection_lost", 0)
        answered = sum(of_key.values())
        counted, captions = usage[name]["requests"], usage[name]["captions"]
        assert isinstance(counted, int)
        assert isinstance(captions, dict)
        got = of_key.get("caption", 0) + of_key.get("decorative", 0)
        told = captions.get("caption", 0) + captions.get("decorative", 0)
        limit = "" if quota is None else str(quota)
        print(f"{name:8}{answered:10}{lost:6}{counted:10}{got:10}{told:8}{limit:>8}")
        answered_all, counted_all, lost_all = (
            answered_all + answered, counted_all + counted, lost_all + lost,
        )  # fmt: skip
        passed += max(0, got - quota) if quota is not None else 0
    difference = abs(counted_all - answered_all) / answered_all
    print(f"answered {answered_all:,}, counted {counted_all:,}: {difference:.3%} apart")
    print(f"connections lost {lost_all:,}; captions over a quota: {passed}")
    return difference <= 0.001 and passed == 0


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A Redis in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer("redis-server", folder)
        server.start()
        try:
            yield server
        finally:
            server.resume()
            server.stop()


def run(requests: int, minutes: float, kill_every_s: float, pause_s: float) -> bool:
    """Start everything, send all requests, print the table; returns whether it was right."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(running_redis())
        upstream = stack.enter_context(stub_upstreams())
        (spool := folder / "spool").mkdir()
        settings = {
            **stub_model_settings(upstream),
            "KEYS_FILE": str(write_keys(folder, requests)),
            "USAGE_STORE": redis.url,
            "USAGE_SPOOL_DIR": str(spool),
            "CACHE_URL": redis.url,
        }
        servers = [
            stack.enter_context(Altwright(PORT=str(free_port()), **settings))
            for _ in range(_REPLICAS)
        ]
        urls = tuple(server.url for server in servers)
        ends_at_s = time.time() + 60 * minutes
        plans = [Plan(urls, requests // _WORKERS, ends_at_s, seed) for seed in range(_WORKERS)]
        print(f"{_REPLICAS} replicas are ready", flush=True)
        began_s = time.monotonic()
        with multiprocessing.get_context("spawn").Pool(_WORKERS) as pool:
            workers = [pool.apply_async(run_worker, (plan,)) for plan in plans]
            chaos = run_chaos(servers, redis, kill_every_s, pause_s, workers)
            answers = sum((worker.get() for worker in workers), start=Counter())
        took_s = time.monotonic() - began_s
        wait_until_stored(urls)
        is_right = report(answers, read_usage(urls[0]), requests)
    print(
        f"{chaos.kills} kills, {chaos.kills_in_pauses} of them in one of {chaos.pauses} pauses of "
        f"Redis, {took_s:.0f} s"
    )
    print(", ".join(f"{n:,} {code}" for code, n in count_outcomes(answers).most_common()))
    return is_right


def write_keys(folder: Path, requests: int) -> Path:
    """The keys file."""
    entries = []
    for number in range(_KEYS):
        quota = quota_of(number, requests)
        entries.append(
            KeyEntry(
                name=key_name(number),
                sha256=hash_key(f"secret-of-{key_name(number)}"),
                quota=None if quota is None else f"{quota}/month",
            )
        )
    path = folder / "keys.json"
    write_keys_file(path, KeysFile(keys=entries))
    return path


def wait_until_stored(urls: Sequence[str]) -> None:
    """Each replica stores the rest when it counts its next request."""
    end_s = time.monotonic() + _SETTLE_TIMEOUT_S
    for url in urls:
        while time.monotonic() < end_s:
            with contextlib.suppress(httpx.HTTPError):  # it was killed last, and starts
                if httpx.get(f"{url}/readyz", timeout=30).json().get("usage_store") == "up":
                    break
            time.sleep(0.2)
    time.sleep(_STORED_AFTER_S)


def count_outcomes(answers: KeyCounts) -> Counter[str]:
    """The answers of all keys by outcome."""
    outcomes: Counter[str] = Counter()
    for (_, outcome), count in answers.items():
        outcomes[outcome] += count
    return outcomes


def main() -> None:
    """Run it; exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=120, help="fewer requests after this")
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds before a kill")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds of a pause of Redis")
    arguments = parser.parse_args()
    is_right = run(arguments.requests, arguments.minutes, arguments.kill_every, arguments.pause)
    raise SystemExit(0 if is_right else 1)


if __name__ == "__main__":
    main()
