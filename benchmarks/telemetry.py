"""What logs, usage and traces cost: processor time of a caption with them, and without.

    .venv/bin/python -m benchmarks.telemetry

Starts a server for each variant, all with the same stub model and image, and asks them in turn.
What is compared is the processor time of their process trees in the same rounds, which other
programs on the machine disturb alike. The collector, which decodes every span, and Redis run beside
them and are not counted. A line for each round; the last one has the medians of all.
"""

import argparse
import asyncio
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks.usage import running_redis
from testing import load, process_tree
from testing.servers.altwright import Altwright
from testing.servers.otlp_collector import OtlpCollector
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_CLIENTS = 4
"""Enough to keep a server busy."""
_OFF = "off (LOG_LEVEL=error)"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=100, help="captions of a round, each variant")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        upstream = stack.enter_context(stub_upstreams(["1mp"]))
        collector = stack.enter_context(OtlpCollector())
        redis = stack.enter_context(running_redis())
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        settings = stub_model_settings(upstream)
        servers = {
            _OFF: Altwright(**settings, LOG_LEVEL="error"),
            "text": Altwright(**settings),
            "JSON": Altwright(**settings, LOG_FORMAT="json"),
            "JSON and usage in Redis": Altwright(
                **settings, LOG_FORMAT="json", USAGE_STORE=redis.url
            ),
            "JSON, usage and traces": Altwright(
                traces, **settings, LOG_FORMAT="json", USAGE_STORE=redis.url
            ),
        }
        for server in servers.values():
            stack.enter_context(server)
        message = load.caption_request(f"{upstream}/1mp.jpg")
        for server in servers.values():  # opens connections, warms caches
            _send(server, message, arguments.count)
        rounds: list[Mapping[str, float]] = []
        before = _cpu_s(servers)
        for number in range(1, arguments.rounds + 1):
            for server in servers.values():
                _send(server, message, arguments.count)
            after = _cpu_s(servers)
            rounds.append(
                {name: (after[name] - before[name]) * 1000 / arguments.count for name in servers}
            )
            before = after
            _print_table(f"round {number}", rounds[-1:])
        spans = len(collector.spans)
    title = f"{arguments.rounds} rounds of {arguments.count} captions, 1 megapixel; {spans} spans"
    _print_table(title, rounds)


def _print_table(title: str, rounds_ms: Sequence[Mapping[str, float]]) -> None:
    print(f"{title}\n| | ms a caption | over off |\n|---|---|---|")
    for name in rounds_ms[0]:
        ms = statistics.median(round_ms[name] for round_ms in rounds_ms)
        ratio = statistics.median(round_ms[name] / round_ms[_OFF] for round_ms in rounds_ms)
        print(f"| {name} | {ms:.2f} | {100 * (ratio - 1):+.1f} % |", flush=True)


def _send(server: Altwright, message: bytes, count: int) -> None:
    responses = asyncio.run(load.send_all(server.url, [message] * count, in_flight=_CLIENTS))
    if set(responses.codes()) != {"ok"}:
        raise RuntimeError(f"not every response is a caption: {responses.codes()}")


def _cpu_s(servers: Mapping[str, Altwright]) -> dict[str, float]:
    """By variant. Read at the end of a round for all: spans are exported after their requests."""
    return {name: process_tree.tree_cpu_s(one.process.pid) for name, one in servers.items()}


if __name__ == "__main__":
    main()
