"""Rolling restarts: two replicas behind a balancer, restarted in turn under constant load.

    .venv/bin/python -m benchmarks.rolling_restart --balancer haproxy --times 20

The load generator sends each request once. Every response must be a caption, and every replica must
exit with 0. The balancer runs with the file that docs/operate.md recommends, on free ports of
127.0.0.1. The model server is a stub, so that the machine is not the limit.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from testing import load
from testing.images import data_url, jpeg
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_DEPLOY = Path(__file__).parents[1] / "deploy"
_FILES = {
    "nginx": "nginx.conf",
    "haproxy": "haproxy.cfg",
    "caddy": "Caddyfile",
    "traefik": "traefik/altwright.yaml",
}
_TRAEFIK_MAIN = "traefik/traefik.yaml"
_LISTEN, _REPLICAS = ":8080", ("127.0.0.1:8001", "127.0.0.1:8002")
"""The addresses in the balancers' files."""
_EXIT_TIMEOUT_S = 25.0
_START_TIMEOUT_S = 10.0
_KEEP_ALIVE_S = 5.0
"""How long the load generator keeps an idle connection: less than a balancer, as clients do."""
_CAPACITY = {"CONCURRENCY": "256", "QUEUE": "1024"}
"""Where the machine is too slow for the rate, requests wait. Otherwise some would be refused as the
queue is full, which has nothing to do with the restart."""
_PAUSE_S = 3.0
"""Between two replicas, until the balancer's health check has seen that the first is ready."""
_NGINX_MAIN = """\
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/balancer.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class _Stop:
    """One restart of one replica."""

    exit_code: int
    stopped_after_s: float
    ready_after_s: float


def main() -> None:
    """Restart as often as asked; exit code 1 where a request was lost or an exit code was not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--balancer", choices=list(_FILES), required=True)
    parser.add_argument("--times", type=int, default=20, help="rolling restarts of both replicas")
    parser.add_argument("--per-second", type=float, default=50.0)
    parser.add_argument("--model-delay", type=float, default=0.3, help="seconds of a model call")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--notice", type=float, default=5.0, help="DRAIN_NOTICE_S")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        upstream = stack.enter_context(stub_upstreams(model_delay_s=arguments.model_delay))
        settings = {
            **stub_model_settings(upstream),
            **_CAPACITY,
            "WORKERS": str(arguments.workers),
            "DRAIN_NOTICE_S": str(arguments.notice),
        }
        ports = [free_port() for _ in _REPLICAS]
        replicas = [stack.enter_context(_Replica(port, settings)) for port in ports]
        url = stack.enter_context(_run_balancer(arguments.balancer, ports))
        failures = asyncio.run(
            _restart_under_load(replicas, url, arguments.times, arguments.per_second)
        )
    raise SystemExit(failures > 0)


class _Replica:
    """A server on a port that it keeps over restarts."""

    def __init__(self, port: int, settings: dict[str, str]) -> None:
        self._settings = {**settings, "PORT": str(port)}
        self._server = Altwright(**self._settings)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def restart(self) -> _Stop:
        """SIGTERM, wait for the exit, start again, wait until it is ready."""
        began_s = time.monotonic()
        self._server.terminate()
        exit_code = self._server.process.wait(_EXIT_TIMEOUT_S)
        stopped_after_s = time.monotonic() - began_s
        self._server.__exit__(None, None, None)
        self._server = Altwright(**self._settings)
        began_s = time.monotonic()
        self._server.__enter__()
        return _Stop(exit_code, stopped_after_s, time.monotonic() - began_s)


@contextmanager
def _run_balancer(name: str, ports: Sequence[int]) -> Iterator[str]:
    """Run a balancer before these ports; yields its address."""
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit(f"{name} is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # nginx's workers run as another user
        command = [program, *_write_configuration(name, Path(folder), f":{port}", ports)]
        with subprocess.Popen(command) as process:
            try:
                _wait_until_listening(port)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _write_configuration(
    name: str, folder: Path, listen: str, ports: Sequence[int]
) -> Sequence[str]:
    """Write the documented file with these addresses; returns the arguments that name it."""
    text = (_DEPLOY / _FILES[name]).read_text(encoding="utf-8").replace(_LISTEN, listen)
    for documented, replica in zip(_REPLICAS, ports, strict=True):
        text = text.replace(documented, f"127.0.0.1:{replica}")
    file, main_file = folder / Path(_FILES[name]).name, folder / "main.yaml"
    if name == "nginx":
        file = folder / "balancer.conf"  # as _NGINX_MAIN includes it
        main_file.write_text(_NGINX_MAIN.format(folder=folder), encoding="utf-8")
    elif name == "traefik":
        main = (_DEPLOY / _TRAEFIK_MAIN).read_text(encoding="utf-8").replace(_LISTEN, listen)
        main_file.write_text(main.replace(file.name, str(file)), encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    return {
        "nginx": ["-p", str(folder), "-c", str(main_file), "-g", "daemon off;"],
        "haproxy": ["-db", "-q", "-f", str(file)],
        "caddy": ["run", "--adapter", "caddyfile", "--config", str(file)],
        "traefik": [f"--configFile={main_file}"],
    }[name]


def _wait_until_listening(port: int) -> None:
    until_s = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)
        else:
            break
    time.sleep(_PAUSE_S)  # for its first health checks


async def _restart_under_load(
    replicas: Sequence[_Replica], url: str, times: int, per_second: float
) -> int:
    """The number of lost requests and wrong exit codes."""
    responses = load.Responses()
    finished = asyncio.Event()
    loading = asyncio.create_task(_send_constantly(url, per_second, responses, finished))
    await asyncio.sleep(_PAUSE_S)
    wrong_exits = 0
    for number in range(times):
        stops = await _restart_all(replicas)
        wrong_exits += sum(stop.exit_code != 0 for stop in stops)
        print(
            f"{number + 1:>3}  {dict(responses.codes())}; " + "; ".join(map(_describe, stops)),
            flush=True,
        )
    finished.set()
    await loading
    codes = responses.codes()
    captions = sum(b'"caption"' in response.body for response in responses.items)
    lost = len(responses) - captions
    slowest_ms = responses.percentile_ms(1.0)
    print(
        f"{times} rolling restarts: {len(responses)} requests, {lost} lost {dict(codes)}; "
        f"{responses.percentile_ms(0.5):.0f} ms (p50), {responses.percentile_ms(0.99):.0f} ms "
        f"(p99), {slowest_ms:.0f} ms (slowest)"
    )
    return lost + wrong_exits


async def _send_constantly(
    url: str, per_second: float, responses: load.Responses, finished: asyncio.Event
) -> None:
    """Send at a fixed rate that does not depend on the responses, each request once."""
    message = load.caption_request(data_url(jpeg((160, 120))))
    idle: list[tuple[load.Connection, float]] = []
    """With the time when it became idle."""

    async def send() -> None:
        connection = load.Connection(url)
        while idle:
            kept, idle_since_s = idle.pop()
            if time.perf_counter() - idle_since_s < _KEEP_ALIVE_S:
                connection = kept
                break
            await kept.aclose()
        responses.items.append(await connection.send(message, may_resend=False))
        idle.append((connection, time.perf_counter()))

    began_s = time.perf_counter()
    sent = 0
    async with asyncio.TaskGroup() as group:
        while not finished.is_set():
            group.create_task(send())
            sent += 1
            await asyncio.sleep(max(0.0, began_s + sent / per_second - time.perf_counter()))
    for connection, _ in idle:
        await connection.aclose()


async def _restart_all(replicas: Sequence[_Replica]) -> list[_Stop]:
    stops = []
    for replica in replicas:
        stops.append(await asyncio.to_thread(replica.restart))
        await asyncio.sleep(_PAUSE_S)
    return stops


def _describe(stop: _Stop) -> str:
    return (
        f"exit {stop.exit_code} after {stop.stopped_after_s:.1f} s, "
        f"ready after {stop.ready_after_s:.1f} s"
    )


if __name__ == "__main__":
    main()
