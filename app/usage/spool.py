"""Counts that Redis lacks, in a file of each process: a kill while Redis is away loses none.

A file has a line for each change, with the counts of a key since its process's start. A process
that is killed leaves it behind; the next one that uses the folder stores it under the name of the
process that counted. Redis adds what its totals lack, so a file may be stored twice, or late.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from app.usage.months import Month
from app.usage.redis_scripts import MAX_COUNT
from app.usage.store import KeyMonth

_logger = logging.getLogger(__name__)

_SUFFIX = ".counts"
_REWRITE_BYTES = 1024 * 1024
"""A longer file is written anew, with the last counts alone."""
_MAX_READ_BYTES = 256 * 1024 * 1024


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    month: str
    key: str = Field(min_length=1)
    counts: dict[str, Annotated[int, Field(ge=0, le=MAX_COUNT)]]


@dataclass(frozen=True, slots=True)
class LeftCounts:
    """What a process that has ended counted, and may not have stored."""

    writer: str
    counts: Mapping[KeyMonth, Mapping[str, int]]


class UsageSpool:
    """The file of this process, and those that others have left. Never raises because of a file."""

    def __init__(self, folder: Path, writer: str) -> None:
        """`writer` is this process's name in the usage store."""
        self._folder = folder
        self._path = folder / f"{writer}{_SUFFIX}"
        self._latest: dict[KeyMonth, dict[str, int]] = {}
        self._file: BinaryIO | None = None
        self._has_failed = False
        self.notes = 0
        """How often something was noted."""

    def note(self, key_month: KeyMonth, counts: Mapping[str, int]) -> bool:
        """Write counts of this process since its start, which Redis may not have.

        Whether that was possible.
        """
        self.notes += 1
        self._latest.setdefault(key_month, {}).update(counts)
        try:
            if self._file is None or self._file.tell() > _REWRITE_BYTES:
                self._rewrite()
            else:
                self._file.write(_line(key_month, counts))
        except OSError as error:
            self._report(error)
            return False
        return True

    def clear(self) -> None:
        """Redis has everything."""
        self._latest.clear()
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Leave the file to another process."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextmanager
    def left_counts(self) -> Iterator[LeftCounts | None]:
        """What one ended process left, or None. It is removed where the block does not raise.

        Processes that take files at the same time get different ones.
        """
        found = self._take_left_file()
        if found is None:
            yield None
            return
        path, file = found
        with file:
            yield LeftCounts(path.name.removesuffix(_SUFFIX), _read(path, file))
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _rewrite(self) -> None:
        """Begin a file with the last counts. It gets its name once it is locked and complete."""
        temporary = self._path.with_suffix(".new")
        # Unbuffered: what is written is the system's, and outlives a kill.
        file = temporary.open("wb", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(b"".join(_line(*one) for one in self._latest.items()))
            temporary.replace(self._path)
        except BaseException:
            file.close()
            temporary.unlink(missing_ok=True)
            raise
        if self._file is not None:
            self._file.close()
        self._file = file

    def _take_left_file(self) -> tuple[Path, BinaryIO] | None:
        try:
            paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
        except OSError as error:
            self._report(error)
            return None
        for path in paths:
            if path == self._path:
                continue
            try:
                file = path.open("rb")
            except OSError:
                continue  # another process has stored and removed it
            if _is_left(path, file):
                return path, file
            file.close()
        return None

    def _report(self, error: OSError) -> None:
        if not self._has_failed:  # once: the disk stays full for a while
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            _logger.warning("usage_store.spool_failed", extra={"reason": reason})
        self._has_failed = True


def _is_left(path: Path, file: BinaryIO) -> bool:
    """Whether its process has ended, and nobody else takes it. It is locked then."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have stored and removed it before it was locked here.
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _line(key_month: KeyMonth, counts: Mapping[str, int]) -> bytes:
    values = {"month": str(key_month.month), "key": key_month.key_name, "counts": dict(counts)}
    return json.dumps(values).encode() + b"\n"


def _read(path: Path, file: BinaryIO) -> dict[KeyMonth, dict[str, int]]:
    """The largest count of each field. A line that is damaged or cut is left out, and logged."""
    found: dict[KeyMonth, dict[str, int]] = {}
    damaged = 0
    for line in file.read(_MAX_READ_BYTES).splitlines():
        try:
            read = _Line.model_validate_json(line)
            key_month = KeyMonth(read.key, Month.parse(read.month))
        except ValueError:
            damaged += 1
            continue
        counts = found.setdefault(key_month, {})
        for name, count in read.counts.items():
            counts[name] = max(count, counts.get(name, 0))
    if damaged:
        _logger.warning("usage_store.spool_damaged", extra={"file": path.name, "lines": damaged})
    return found
