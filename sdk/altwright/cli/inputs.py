"""The pictures that a command line names: URLs, files, the bytes or the lines of a pipe."""

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

PIPE = "-"
_LINES_AHEAD = 64


def named(text: str) -> Job:
    """The picture that a word of the command line, or a line of a list, means."""
    if text == PIPE:
        return Job(_from_pipe(), ref="-")
    # Also what is no address that the server takes (ftp://): no file is called so.
    if "://" in text or text[:5].lower() == "data:":
        return Job(text, ref=text)
    return Job(Path(text), ref=text)


def checked(words: Sequence[str], list_file: str | None) -> Sequence[str]:
    """The words of the command line. Raises UsageError where they name nothing that can be read."""
    if not words and list_file is None:
        raise UsageError("Name a picture: altwright caption URL-or-file..., or --from FILE.")
    if "" in words:
        raise UsageError("The name of a picture is empty.")
    if words.count(PIPE) + (list_file == PIPE) > 1:
        raise UsageError("Only one thing can be read from the pipe.")
    return words


async def pictures(words: Sequence[str], list_file: str | None) -> AsyncIterator[Job]:
    """Those of the command line, then those of the list, one a line, as they come."""
    for word in words:
        yield named(word)
    if list_file is not None:
        async for line in _lines(list_file):
            if line:
                yield named(line)


def shown(picture: str) -> str:
    """For messages: a URL without what may be secret in it, a data: URL without its data."""
    if picture[:5].lower() == "data:":
        return f"{picture[:30]}..."
    if "://" not in picture[:10]:
        return picture
    try:
        parts = urlsplit(picture)
    except ValueError:
        return "a broken URL"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _from_pipe() -> bytes:
    if sys.stdin.isatty():
        raise UsageError("- reads a picture from a pipe: altwright caption - < photo.jpg")
    # One more than is taken, so that it is told what is too large about it.
    return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)


def _opened(list_file: str) -> BinaryIO:
    try:
        return Path(list_file).open("rb")
    except OSError as error:
        raise UsageError(f"{list_file} cannot be read: {error.strerror}.") from None


async def _lines(list_file: str) -> AsyncIterator[str]:
    """Read in a thread, so that captions come while the list's writer still thinks."""
    lines: asyncio.Queue[str | None] = asyncio.Queue(_LINES_AHEAD)
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        file = sys.stdin.buffer if list_file == PIPE else stack.enter_context(_opened(list_file))

        def read() -> None:
            # The loop may be gone before the pipe is: then nobody wants the rest.
            with contextlib.suppress(RuntimeError, CancelledError, ValueError):
                for line in file:
                    text = line.decode("utf-8", "surrogateescape").strip()
                    asyncio.run_coroutine_threadsafe(lines.put(text), loop).result()
                asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

        # A daemon: one that hangs in a pipe must not keep the process from ending.
        threading.Thread(target=read, daemon=True).start()
        while (line := await lines.get()) is not None:
            yield line
