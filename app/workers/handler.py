"""What a handler sees inside a child process, and what it may raise.

A handler is a module-level function `handler(data, args, room) -> (facts, result)`. It runs where
no file can be opened and nothing can be reached: all it knows is in `data` and `args`. A module
may offer `warm_up()`, which runs before the doors are shut and imports whatever a job will need.
"""

import io
import mmap
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


class Room(Protocol):
    """Says, at most once per job, what the job takes, and waits until that is there."""

    def __call__(self, amount_bytes: int, work_ms: float = 0, /) -> None:
        """`amount_bytes` of memory, and some `work_ms` milliseconds of one processor.

        Raises Refuse where that is more than any job may have.
        """


Handler = Callable[["Input", dict[str, Any], Room], tuple[dict[str, JsonValue], bytes]]


class Refuse(Exception):
    """A handler's own no: a short code for the parent, and a reason for the operator's log."""

    def __init__(self, code: str, detail: str, reason: str = "") -> None:
        self.code = code
        self.detail = detail
        """A sentence that a caller may read."""
        self.reason = reason
        super().__init__(f"{code}: {reason or detail}")


class Input(io.RawIOBase):
    """The bytes of one job as a read-only file, over memory that is not copied.

    It has no `fileno` and no `getvalue`, so no decoder looks for a file behind it.
    """

    def __init__(self, data: bytes | memoryview | mmap.mmap) -> None:
        super().__init__()
        self.view = memoryview(data).toreadonly()
        """All of it, for whoever can work on a buffer."""
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self.view)}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        end = len(self.view) if size is None or size < 0 else self._at + size
        piece = bytes(self.view[self._at : end])
        self._at += len(piece)
        return piece
