"""Seconds from starting the server to its first response on /healthz."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import time

from testing import load
from testing.ports import free_port

_TIMEOUT_S = 30.0


def measure_start_s(times: int) -> float:
    """The median of several starts."""
    found = []
    for _ in range(times):
        port = free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
        started_at_s = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            env=env | {"ALTWRIGHT_PORT": str(port)},
            stderr=subprocess.DEVNULL,
        )
        try:
            asyncio.run(_wait_for_healthz(port))
            found.append(time.perf_counter() - started_at_s)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    return statistics.median(found)


async def _wait_for_healthz(port: int) -> None:
    message = load.http_request("GET", "/healthz")
    end_s = time.perf_counter() + _TIMEOUT_S
    while time.perf_counter() < end_s:
        async with load.Connection(f"http://127.0.0.1:{port}") as connection:
            if (await connection.send(message)).status == 200:
                return
        await asyncio.sleep(0.005)
    raise TimeoutError("/healthz did not respond")
