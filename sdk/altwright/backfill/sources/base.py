"""What every source offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from altwright.backfill.errors import SourceError


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the source has it, described or not."""

    place: int
    """The line it begins on; its number from 1 where there are no lines."""
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A piece of the source that is no record; it is told, and kept beside the target."""

    place: int
    why: str
    """A sentence's end: `has 3 cells instead of 5`."""
    text: str
    """As it stands there."""


class Source(Protocol):
    """Read from its beginning as often as is wanted; memory does not grow with it."""

    @property
    def shown(self) -> str:
        """What it is called, to people and to the journal. No password stands in it."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of its columns."""

    @property
    def primary_key(self) -> str | None:
        """The column that is known to be the key; None where the source does not know one."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of how it is read (an encoding that was guessed)."""

    def read(self) -> Iterator[Record | BrokenRecord]:
        """Everything in it, in an order that does not change."""


def read_records(source: Source) -> Iterator[Record | BrokenRecord]:
    """Everything in it. Raises SourceError, whatever its library raises."""
    try:
        yield from source.read()
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if isinstance(error, OSError) or library in ("pyarrow", "sqlalchemy"):
            said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            sentence = f"{source.shown} could not be read to its end: {said}"
            raise SourceError(sentence, may_pass=library == "sqlalchemy") from error
        raise
