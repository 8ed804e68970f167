"""The start of the command, before its libraries are loaded."""

import subprocess
import sys

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
