"""Graceful shutdown: sends SIGTERM under load, again and again.

    .venv/bin/python -m benchmarks.graceful_shutdown --times 20

Every accepted request must get its response, and the exit code must be 0.
"""

import argparse
import asyncio
import random
import time

from testing import load
from testing.graceful_shutdown import stop_under_load
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams


def main() -> None:
    """Stop as often as asked; exit code 1 where a request was lost or an exit code was not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--clients", type=int, default=48)
    arguments = parser.parse_args()
    failures = 0
    for number in range(arguments.times):
        after_s = random.uniform(0.2, 2.0)
        with (
            stub_upstreams(["1mp"]) as upstream,
            Altwright(**stub_model_settings(upstream)) as server,
        ):
            message = load.caption_request(f"{upstream}/1mp.jpg")
            found = asyncio.run(
                stop_under_load(
                    server.url, server.terminate, message,
                    clients=arguments.clients, after_s=after_s,
                )
            )  # fmt: skip
            started_at_s = time.monotonic()
            exit_code = server.process.wait()
            took_s = time.monotonic() - started_at_s
            print(
                f"{number + 1:>3}  SIGTERM after {after_s:.1f} s: {found.answered} answered "
                f"({dict(found.codes)}), {found.lost} lost, {found.refused} not accepted; "
                f"exit code {exit_code}, {took_s:.1f} s after the last response",
                flush=True,
            )
            failures += found.lost + (exit_code != 0)
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
