#!/usr/bin/env python3
"""Generate the synchronous client (altwright/_sync) from the asynchronous one (altwright/_async).

usage: python sdk/unasync.py [--check]

`_sync/backend.py` is written by hand: it uses threads where `_async/backend.py` uses tasks. With
--check nothing is written; the exit code is 1 if a generated file is out of date.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "altwright"
MODULES = ("caption_many.py", "client.py")
HEADER = "# Generated from altwright/_async/{name} by sdk/unasync.py. Do not edit.\n"

PASSAGES = (
    (
        "on asyncio. Do not share it between threads.",
        "and waits for it. Threads may share a client.",
    ),
    ("    Local images are read and resized in a thread, not on the event loop.\n", ""),
    (
        "when there is room, so there may be any number. They may also come asynchronously.",
        "in your thread when there is room, so there may be any number.",
    ),
    (
        "`aclose()` of the iterator cancel the requests in flight.",
        """`close()` of the iterator start nothing
        more and wait for the requests in flight.""",
    ),
)
"""Documentation that differs between the clients: asynchronous, synchronous."""

PATTERNS = (
    (r"\basynchronous client", "synchronous client"),
    (r"AsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"Iterable\[AnItem\] \| AsyncIterable\[AnItem\]", "Iterable[AnItem]"),
    (r"Awaitable\[Caption\]", "Caption"),
    (r"from collections\.abc import AsyncGenerator, AsyncIterable, Awaitable, ",
     "from collections.abc import Generator, "),
    (r"from collections\.abc import AsyncGenerator, AsyncIterable, ",
     "from collections.abc import Generator, "),
    (r"\bAsyncAltwright\b", "Altwright"),
    (r"\bAsyncClient\b", "Client"),
    (r"\baltwright\._async\b", "altwright._sync"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\baclose\b", "close"),
    (r"\basync def\b", "def"),
    (r"\bawait ", ""),
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write or check the generated files; returns the exit code."""
    outdated: list[str] = []
    unused = {pattern for pattern, _ in (*PASSAGES, *PATTERNS)}
    for name in MODULES:
        source = (PACKAGE / "_async" / name).read_text(encoding="utf-8")
        target = PACKAGE / "_sync" / name
        generated = format_code(HEADER.format(name=name) + convert(source, unused), target)
        if target.is_file() and target.read_text(encoding="utf-8") == generated:
            continue
        outdated.append(name)
        if "--check" not in arguments:
            target.write_text(generated, encoding="utf-8")
    for pattern in sorted(unused):
        print(f"unasync.py: matches nothing: {pattern!r}", file=sys.stderr)
    if outdated and "--check" in arguments:
        print(f"out of date: {', '.join(outdated)}; run sdk/unasync.py", file=sys.stderr)
        return 1
    return 1 if unused else 0


def convert(source: str, unused: set[str]) -> str:
    """The synchronous code; removes from `unused` what was replaced."""
    for asynchronous, synchronous in PASSAGES:
        if asynchronous in source:
            unused.discard(asynchronous)
            source = source.replace(asynchronous, synchronous)
    for pattern, replacement in PATTERNS:
        source, count = re.subn(pattern, replacement, source)
        if count:
            unused.discard(pattern)
    return source


def format_code(code: str, path: Path) -> str:
    """The code as `make format` would leave it."""
    for command in (("check", "--fix-only", "--select", "I"), ("format",)):
        code = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", path, "-"],
            input=code,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
