"""Catalogues as CSV files, and the command `altwright backfill` that fills them."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from altwright.cli.main import run

COMMAND = str(Path(sys.executable).with_name("altwright"))
_WAIT_TIMEOUT_S = 90.0

Cells = dict[str, str]


def blank_row(number: int, image: str, **more: str) -> Cells:
    """A row without an alt text; the model server finds its number in the name."""
    return {"id": str(number), "image_url": image, "name": f"Mug, row-{number}", "alt": "", **more}


def write_csv(path: Path, rows: Iterable[Cells]) -> Path:
    """Write a catalogue with the columns of its first row."""
    listed = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return path


def read_csv(path: Path) -> list[Cells]:
    """The rows of a catalogue."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class BackfillCommand:
    """`altwright backfill` for one server, in one folder."""

    def __init__(self, url: str, folder: Path) -> None:
        others = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
        self.env = {**others, "ALTWRIGHT_URL": url, "XDG_CONFIG_HOME": str(folder / "config")}
        self.folder = folder

    def run(self, *arguments: str, **env: str) -> CompletedCommand:
        """Run it in this process. It must not print a traceback."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.chdir(self.folder)
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            code = run(["backfill", *arguments])
        completed = CompletedCommand(int(code), _read(out), _read(err))
        assert "Traceback" not in completed.stderr, completed.stderr
        assert "this is a bug" not in completed.stderr, completed.stderr
        return completed

    def run_json(self, *arguments: str, exit_code: int = 0, **env: str) -> dict[str, Any]:
        """Run it with --json, and return what it prints. It must end with the exit code."""
        completed = self.run(*arguments, "--json", **env)
        assert completed.returncode == exit_code, completed.stderr
        printed: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
        return printed

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it in a process of its own, to be stopped or killed."""
        return subprocess.Popen(
            [COMMAND, "backfill", *arguments], cwd=self.folder, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait until the condition is true or the process ends; fail after a timeout."""
    deadline_s = time.monotonic() + _WAIT_TIMEOUT_S
    while not condition() and process.poll() is None:
        if time.monotonic() > deadline_s:
            process.kill()
            raise AssertionError("the condition did not become true")
        time.sleep(0.01)


def _read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
