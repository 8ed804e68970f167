"""Errors of a backfill that are about files and databases, not about a caption."""

from __future__ import annotations

from altwright.errors import UsageError


class SourceError(Exception):
    """The source ended before its end: a file that is damaged, a database that went away."""

    def __init__(self, sentence: str, *, may_pass: bool) -> None:
        super().__init__(sentence)
        self.may_pass = may_pass
        """Whether it may be whole again, as a database is."""


class JournalUnwritable(UsageError):
    """The disk is full, the folder is not there, or may not be written."""
