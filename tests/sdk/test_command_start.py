"""The start of the command, before its libraries are loaded."""

import subprocess
import sys

import pytest

_PRESS_CTRL_C = """
import sys
from altwright.cli import main

class CtrlC:
    def find_spec(self, name, *_):
        if name == "altwright.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
main()
"""
"""A person presses Ctrl+C while a module is imported."""


def test_ctrl_c_while_libraries_are_loaded_is_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PRESS_CTRL_C], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr == "altwright: stopped before anything was read or written.\n"


_PRESS_CTRL_C_EARLY = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
from altwright.cli import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "altwright.errors", "altwright.scheduler"])
def test_ctrl_c_is_one_line_whatever_is_loaded(module: str) -> None:
    """Nothing that takes time is loaded before the command listens."""
    script = _PRESS_CTRL_C_EARLY.format(module=module)
    ended = subprocess.run(
        [sys.executable, "-c", script, "styles", "--base-url", "http://127.0.0.1:9"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (
        130, "altwright: stopped before anything was read or written.\n",
    )  # fmt: skip


def test_the_package_loads_nothing_before_it_is_used() -> None:
    script = "import sys, altwright; print(*[each for each in sys.modules if 'altwright' in each])"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    found = {each for each in loaded.stdout.split() if not each.startswith("__editable__")}
    assert found == {"altwright", "altwright._version"}
