"""How to install the SDK's optional dependencies (extras), for error messages."""

from __future__ import annotations


def install_command(*extras: str) -> str:
    """The shell command, run in a clone of the project: the package is not published yet."""
    return f"pip install './sdk[{','.join(extras)}]'"
