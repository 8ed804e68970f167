"""What model servers say, as data: codes and words, each row with its source.

Rows of providers with a file of their own come from there.
"""

import datetime as dt
import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.providers.provider import ErrorStatement, Example
from app.captioning.providers.registry import load_providers

_FILE = Path(__file__).with_name("provider_dialects.toml")


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
    """All rows, by kind. Reading them takes some milliseconds, once."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["dialect"]
    others = [_dialect(row) for row in rows]
    documented = [
        _documented(provider.name, error, error.example)
        for provider in load_providers().values()
        for error in provider.errors
        if error.example is not None
    ]
    order = list(FailureKind)
    return tuple(sorted([*documented, *others], key=lambda row: order.index(row.kind)))


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


def _documented(name: str, error: ErrorStatement, example: Example) -> Dialect:
    return Dialect(
        provider=error.said_by or name,
        says=error.says,
        kind=error.kind,
        source=error.source,
        date=error.read,
        example=example,
        codes=error.codes,
        words=error.words,
        statuses=error.statuses,
    )


def _dialect(row: Mapping[str, Any]) -> Dialect:
    values = {**row, "kind": FailureKind(row["kind"]), "example": Example(**row["example"])}
    values["codes"] = frozenset(row.get("codes", ()))
    values["words"] = tuple(row.get("words", ()))
    values["statuses"] = frozenset(row.get("statuses", ()))
    return Dialect(**values)
