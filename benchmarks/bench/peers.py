"""The programs that Altwright is compared with: installing and starting them.

`make bench-peers` installs each into an environment of its own in build/peers/.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench.resizer_process import LONGEST_EDGE_PX, QUALITY
from testing.ports import free_port

_TOP = Path(__file__).parents[2]
FOLDER = _TOP / "build/peers"
_PINS = _TOP / "benchmarks/peers"
_START_TIMEOUT_S = 90.0
"""LiteLLM's proxy takes ten seconds of a quiet core to start."""

INSTALL = "make bench-peers"
"""Shown in the row of a peer that is not installed."""


def python_of(peer: str) -> Path:
    """The Python interpreter of a peer: pyvips, thumbor or litellm."""
    return FOLDER / peer / "bin/python"


def is_installed(peer: str) -> bool:
    """Whether the peer can be measured here."""
    if peer == "sharp":
        return shutil.which("node") is not None and (FOLDER / "sharp/node_modules/sharp").exists()
    return (FOLDER / peer / ".installed").exists()


def install() -> list[str]:
    """Install every missing peer; returns a sentence for each that could not be installed."""
    failed = []
    for peer in ("pyvips", "thumbor", "litellm"):
        if is_installed(peer):
            continue
        print(f"installing {peer} into build/peers/{peer} ...", flush=True)
        python = python_of(peer)
        commands = [
            [sys.executable, "-m", "venv", "--clear", str(FOLDER / peer)],
            [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check",
             "-r", str(_PINS / f"{peer}.txt")],
        ]  # fmt: skip
        if all(subprocess.run(command, check=False).returncode == 0 for command in commands):
            (FOLDER / peer / ".installed").touch()
        else:
            failed.append(f"{peer} could not be installed: see the output of pip above")
    if not is_installed("sharp"):
        failed += _install_sharp()
    return failed


def _install_sharp() -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        return ["sharp needs Node and npm: apt-get install nodejs npm"]
    print("installing sharp into build/peers/sharp ...", flush=True)
    (FOLDER / "sharp").mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PINS / name, FOLDER / "sharp" / name)
    command = [npm, "ci", "--prefix", str(FOLDER / "sharp"), "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, check=False)
    return (
        []
        if done.returncode == 0
        else ["sharp could not be installed: see the output of npm above"]
    )


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server."""

    url: str
    pid: int


@contextmanager
def thumbor() -> Iterator[Peer]:
    """Start thumbor, which fetches and resizes. Its caches are off: they would serve repeats."""
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder, "thumbor.conf")
        conf.write_text(
            "STORAGE = 'thumbor.storages.no_storage'\n"
            "RESULT_STORAGE = None\nALLOW_UNSAFE_URL = True\n"
            f"QUALITY = {QUALITY}\nMAX_AGE = 0\n"
        )
        port = free_port()
        command = [str(FOLDER / "thumbor/bin/thumbor"), "--ip=127.0.0.1", f"--port={port}",
                   f"--conf={conf}"]  # fmt: skip
        with _running(command, {}, port) as pid:
            yield Peer(f"http://127.0.0.1:{port}", pid)


def thumbor_path(picture_url: str) -> str:
    """The path at which thumbor serves the image in the size that a model gets."""
    size = f"{LONGEST_EDGE_PX}x{LONGEST_EDGE_PX}"
    return f"/unsafe/fit-in/{size}/filters:format(jpeg)/{picture_url}"


@contextmanager
def litellm(model_url: str) -> Iterator[Peer]:
    """Start LiteLLM, which forwards a chat completion request to the model."""
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder, "config.yaml")
        conf.write_text(
            "model_list:\n  - model_name: stub\n    litellm_params:\n      model: openai/stub\n"
            f"      api_base: {model_url}/v1\n      api_key: none\n"
            "litellm_settings:\n  telemetry: false\n  num_retries: 0\n"
        )
        port = free_port()
        command = [str(FOLDER / "litellm/bin/litellm"), "--host=127.0.0.1", f"--port={port}",
                   f"--config={conf}"]  # fmt: skip
        env = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no request to the internet
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # requests have no key
        }
        with _running(command, env, port) as pid:
            yield Peer(f"http://127.0.0.1:{port}", pid)


@contextmanager
def _running(command: list[str], env: dict[str, str], port: int) -> Iterator[int]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=os.environ | env, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            end_s = time.monotonic() + _START_TIMEOUT_S
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > end_s:
                    log.seek(0)
                    output = log.read()[-2000:].decode(errors="replace")
                    raise RuntimeError(f"{command[0]} did not start: {output}")
                time.sleep(0.1)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False
