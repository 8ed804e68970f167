"""What model servers say, as data: codes and words, each row with its source."""

import datetime as dt
import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.captioning.openai_compat.failure_kinds import FailureKind

_FILE = Path(__file__).with_name("provider_dialects.toml")


@dataclass(frozen=True, slots=True)
class Example:
    """One response of that provider, which a fake server plays in the tests."""

    status: int
    body: str
    when: str = "always"
    """Which requests get it: `always`, `small_image`, `large_image`, `few_tokens`, `not_streamed`.
    The others get a caption."""
    retry_after_s: int | None = None
    """The wait that it names."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way in which a provider says one thing."""

    provider: str
    says: str
    """Status, code or words, in markdown."""
    kind: FailureKind
    source: str
    """URL of a page that shows it."""
    date: dt.date
    """The day of that report, or the day on which the page was read."""
    example: Example
    codes: frozenset[str] = frozenset()
    """Machine-readable codes in lower case."""
    words: tuple[str, ...] = ()
    """Parts of a message in lower case."""
    statuses: frozenset[int] = frozenset()
    """The HTTP statuses that the row is limited to; empty: any."""

    def is_limited_to_other_than(self, status: int) -> bool:
        """Whether the row says nothing about responses with this status."""
        return bool(self.statuses) and status not in self.statuses


@functools.cache
def load_dialects() -> tuple[Dialect, ...]:
    """All rows, in the order of the file. Reading them takes some milliseconds, once."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["dialect"]
    return tuple(_dialect(row) for row in rows)


def kind_of_codes(status: int, codes: Iterable[str]) -> FailureKind | None:
    """The kind that a machine-readable code stands for."""
    found = set(codes)
    return next(
        (
            row.kind
            for row in load_dialects()
            if row.codes & found and not row.is_limited_to_other_than(status)
        ),
        None,
    )


def kind_of_words(status: int, message: str) -> FailureKind | None:
    """The kind that a message in lower case stands for."""
    return next(
        (
            row.kind
            for row in load_dialects()
            if not row.is_limited_to_other_than(status)
            and any(words in message for words in row.words)
        ),
        None,
    )


def _dialect(row: Mapping[str, Any]) -> Dialect:
    values = {**row, "kind": FailureKind(row["kind"]), "example": Example(**row["example"])}
    values["codes"] = frozenset(row.get("codes", ()))
    values["words"] = tuple(row.get("words", ()))
    values["statuses"] = frozenset(row.get("statuses", ()))
    return Dialect(**values)
