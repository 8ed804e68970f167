"""Errors of a backfill: a source that cannot be read, a journal that cannot be written."""

from __future__ import annotations

from pathlib import Path

from altwright.errors import UsageError


class SourceError(Exception):
    """The source could not be read to its end: a damaged file, a lost database connection."""

    def __init__(self, message: str, *, is_temporary: bool) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary
        """Whether reading it later may succeed, as with a database."""


class SourceChanged(SourceError):
    """The source is another one than a moment ago: somebody exported it anew, or edited it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_temporary=True)


class TargetChanged(UsageError):
    """Somebody changed the target file while it was being written: theirs stays."""


class JournalUnwritable(UsageError):
    """The journal cannot be written: full disk, missing folder, or no permission."""

    def __init__(self, path: Path, error: Exception) -> None:
        is_full = any(each in str(error).lower() for each in ("full", "no space", "i/o"))
        advice = " Make room, then run the same command again." if is_full else ""
        super().__init__(f"{path} cannot be written: {error}. Nothing was requested.{advice}")
