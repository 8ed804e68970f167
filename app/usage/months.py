"""Calendar months in UTC: the periods in which usage is counted and quotas start anew."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

_TEXT = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_FIRST_YEAR, _LAST_YEAR = 1970, 9998
"""Both ends of every month must be a datetime."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int
    """1 is January."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The month that `YYYY-MM` names. Raises ValueError with a sentence for the caller."""
        found = _TEXT.fullmatch(text)
        if found is None or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
            raise ValueError("a month is written YYYY-MM, for instance 2026-11")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def at(cls, unix_s: float) -> Self:
        """The month of a moment, in seconds since 1970."""
        moment = datetime.fromtimestamp(unix_s, UTC)
        return cls(moment.year, moment.month)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment of the next month."""
        next_year, index = divmod(self.number, 12)
        return datetime(self.year + next_year, index + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
