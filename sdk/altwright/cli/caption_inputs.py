"""The images that a command line names: URLs, files, and stdin as an image or as a list."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from altwright.caption_many import Job
from altwright.errors import UsageError
from altwright.image_input import MAX_FILE_BYTES

STDIN = "-"
_MAX_LINES_AHEAD = 64


def to_job(text: str) -> Job:
    """The image that an argument, or a line of a list, names."""
    if text == STDIN:
        return Job(_read_stdin(), ref="-")
    # A URL with a scheme that the server refuses (ftp://) is not a file name either.
    if "://" in text or text[:5].lower() == "data:":
        return Job(text, ref=text)
    return Job(Path(text), ref=text)


def check_arguments(arguments: Sequence[str], list_file: str | None) -> Sequence[str]:
    """The arguments unchanged. Raises UsageError if they name nothing that can be read."""
    if not arguments and list_file is None:
        raise UsageError("Name an image: altwright caption URL-or-file..., or --from FILE.")
    if "" in arguments:
        raise UsageError("The name of an image is empty.")
    if arguments.count(STDIN) + (list_file == STDIN) > 1:
        raise UsageError("Only one argument can be - (stdin).")
    return arguments


async def read_jobs(arguments: Sequence[str], list_file: str | None) -> AsyncIterator[Job]:
    """The images of the command line, then those of the list, one per line, as they arrive."""
    for argument in arguments:
        yield to_job(argument)
    if list_file is not None:
        async for line in _read_lines(list_file):
            if line:
                yield to_job(line)


def redact_url(image: str) -> str:
    """For messages: a URL without user, password and query, a data: URL without its data."""
    if image[:5].lower() == "data:":
        return f"{image[:30]}..."
    if "://" not in image[:10]:
        return image
    try:
        parts = urlsplit(image)
    except ValueError:
        return "an invalid URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _read_stdin() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("- reads an image from stdin: altwright caption - < photo.jpg")
    # One byte more than the limit, so that a larger image is refused with its own message.
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)


def _open_list(list_file: str) -> BinaryIO:
    try:
        return Path(list_file).open("rb")
    except OSError as error:
        raise UsageError(f"{list_file} cannot be read: {error.strerror}.") from None


async def _read_lines(list_file: str) -> AsyncIterator[str]:
    """Read in a thread, so that captions are made while the list is still being written."""
    lines: asyncio.Queue[str | None] = asyncio.Queue(_MAX_LINES_AHEAD)
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        file = (
            sys.stdin.buffer if list_file == STDIN else stack.enter_context(_open_list(list_file))
        )

        def read() -> None:
            # If the loop has ended before the list, the remaining lines are not needed.
            with contextlib.suppress(RuntimeError, CancelledError, ValueError):
                for line in file:
                    text = line.decode("utf-8", "surrogateescape").strip()
                    asyncio.run_coroutine_threadsafe(lines.put(text), loop).result()
                asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

        # A daemon thread: one that waits for stdin must not keep the process from exiting.
        threading.Thread(target=read, daemon=True).start()
        while (line := await lines.get()) is not None:
            yield line
