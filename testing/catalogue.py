"""Catalogues for tests, and the command that fills them, as a process that may be killed."""

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
_PATIENCE_S = 90.0

Cells = dict[str, str]


def item(number: int, image: str, **more: str) -> Cells:
    """One blank row; the model is told which by `row-N`."""
    return {"id": str(number), "image_url": image, "name": f"Mug, row-{number}", "alt": "", **more}


def write_csv(path: Path, rows: Iterable[Cells]) -> Path:
    """A catalogue with the columns of its first row."""
    listed = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    return path


def read_csv(path: Path) -> list[Cells]:
    """What stands in one."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def _said(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


class Command:
    """`altwright backfill` against one server."""

    def __init__(self, url: str, folder: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
        self.env = {**kept, "ALTWRIGHT_URL": url, "XDG_CONFIG_HOME": str(folder / "config")}
        self.folder = folder

    def run(self, *words: str, **env: str) -> Done:
        """To its end, in this process: what it says and its exit code. No traceback, ever."""
        out, complained = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(complained),
        ):
            patch.chdir(self.folder)
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            code = run(["backfill", *words])
        done = Done(int(code), _said(out), _said(complained))
        assert "Traceback" not in done.stderr, done.stderr
        assert "this is a bug" not in done.stderr, done.stderr
        return done

    def summary(self, *words: str, expect: int = 0, **env: str) -> dict[str, Any]:
        """Its summary; it must end with this exit code."""
        done = self.run(*words, "--json", **env)
        assert done.returncode == expect, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """To be stopped or killed."""
        return subprocess.Popen(
            [COMMAND, "backfill", *words], cwd=self.folder, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait for it while the process runs, and not for ever."""
    end_s = time.monotonic() + _PATIENCE_S
    while not condition() and process.poll() is None:
        if time.monotonic() > end_s:
            process.kill()
            raise AssertionError("it did not come to that")
        time.sleep(0.01)
