"""The interface of a source, and the records that it yields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from altwright.backfill.database_errors import error_text
from altwright.backfill.errors import SourceError


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the source has it, with or without an alt text."""

    line_number: int
    """The line where it begins; the record's number from 1 in a source without lines."""
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A piece of the source that cannot be read. It is reported, and copied beside the target."""

    line_number: int
    problem: str
    """The end of a sentence: `has 3 cells instead of 5`."""
    text: str
    """The unreadable piece itself."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a text file: a record, or what stands between records."""

    raw: bytes
    record: Record | BrokenRecord | None = None
    is_header: bool = False


class Source(Protocol):
    """A stream of records that can be read from the beginning as often as needed."""

    @property
    def display_name(self) -> str:
        """Its path or URL without a password; the journal identifies the run by it."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of its columns."""

    @property
    def primary_key(self) -> str | None:
        """The column that the source declares to be the key; None if it declares none."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how it is read, as a guessed encoding."""

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Everything in it, in an order that does not change."""


def read_records(source: Source) -> Iterator[Record | BrokenRecord]:
    """Everything in a source. Raises SourceError for errors of files and of its libraries."""
    try:
        yield from source.read()
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if isinstance(error, OSError) or library in ("pyarrow", "sqlalchemy"):
            detail = error_text(error)
            message = f"{source.display_name} could not be read to its end: {detail}"
            raise SourceError(message, is_temporary=library == "sqlalchemy") from error
        raise
