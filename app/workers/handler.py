"""The interface between a child process and its handlers.

A handler is a module-level function `handler(data, args, reserve) -> (facts, result)`. It runs in a
confined child process, where no file or socket can be opened: its whole input is `data` and `args`.
A module may define `warm_up()`. It runs before the process is confined, and must import and load
everything that a job will need. To refuse a job, a handler raises `app.workers.errors.JobRefused`.
"""

import io
import mmap
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


class Reserve(Protocol):
    """Reserves what a job needs, and waits until it is available.

    Memory may be reserved once. Work may be announced before that, with 0 bytes: as soon as it is
    known, because a job with much work leaves the express child.
    """

    def __call__(self, memory_bytes: int, work_ms: float = 0, /) -> None:
        """Reserve memory, and announce about how many milliseconds of processor time follow.

        Raises JobRefused where that is more memory than any job may have.
        """


Handler = Callable[["JobInput", dict[str, Any], Reserve], tuple[dict[str, JsonValue], bytes]]


class JobInput(io.RawIOBase):
    """The input bytes of one job as a read-only file over shared memory; nothing is copied.

    It has no `fileno` and no `getvalue`, so that decoders do not look for a file behind it.
    """

    def __init__(self, data: bytes | memoryview | mmap.mmap) -> None:
        super().__init__()
        self.view = memoryview(data).toreadonly()
        """All input bytes, for code that works on a buffer."""
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self.view)}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        end = len(self.view) if size is None or size < 0 else self._position + size
        data = bytes(self.view[self._position : end])
        self._position += len(data)
        return data
