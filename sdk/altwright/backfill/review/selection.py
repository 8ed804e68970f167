"""Selection of the rows on a review page: all that wait for a person, and some of the rest."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from altwright.backfill.review.review_item import HELD_LABEL, REVIEWED_LABEL, outcome_label
from altwright.backfill.types import AltSource, Outcome, Row
from altwright.errors import UsageError

RowOutcome = tuple[Row, Outcome]
MAX_ROWS = 2_000
"""Default number of rows on a page, which a browser opens in less than a second."""
_WAITING_STATES = (AltSource.UNCERTAIN, AltSource.REJECTED)
_LABELS = (
    HELD_LABEL,
    REVIEWED_LABEL,
    *(each.value for each in AltSource if each is not AltSource.PENDING),
)


class OutcomeReader(Protocol):
    """The part of a journal that is needed for a selection."""

    def iter_outcomes(self, *states: AltSource) -> Iterator[RowOutcome]:
        """Rows with an outcome, in the order of the source."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows for the page, and how many did not fit."""

    rows: tuple[RowOutcome, ...]
    left_out: int


def select_rows(
    journal: OutcomeReader,
    *,
    labels: Sequence[str] = (),
    limit: int = MAX_ROWS,
    sample: int | None = None,
) -> Selection:
    """First what waits for a person, then what a model wrote, then what failed.

    If `labels` are given, only these outcomes. If the model wrote more rows than fit, or than
    `sample`, they are drawn at random from the whole catalogue. Rows that a person decided are left
    out unless their label is given. The same journal gives the same page. Raises UsageError.
    """
    for label in labels:
        if label not in _LABELS:
            raise UsageError(f"There is no outcome {label!r}: {', '.join(_LABELS)}.")
    waiting = _Sampler(limit, None)
    waiting.add(_filter(journal.iter_outcomes(*_WAITING_STATES), labels))
    written = _Sampler(limit - len(waiting.drawn), sample)
    written.add(_filter(journal.iter_outcomes(*_written_states(labels)), labels))
    failed = _Sampler(limit - len(waiting.drawn) - len(written.drawn), None)
    failed.add(_filter(journal.iter_outcomes(AltSource.FAILED), labels))
    samplers = (waiting, written, failed)
    return Selection(
        tuple(row for each in samplers for row in each.in_order()),
        sum(each.seen - len(each.drawn) for each in samplers),
    )


def _written_states(labels: Sequence[str]) -> list[AltSource]:
    decided = [AltSource.HUMAN_EDITED_AI, AltSource.HUMAN]
    return [AltSource.AI, AltSource.DECORATIVE, *(each for each in decided if each.value in labels)]


def _filter(rows: Iterable[RowOutcome], labels: Sequence[str]) -> Iterator[RowOutcome]:
    for row in rows:
        outcome = row[1]
        if outcome_label(outcome) in labels if labels else not outcome.is_decided:
            yield row


class _Sampler:
    """A uniform random sample of limited size (reservoir sampling, algorithm R)."""

    def __init__(self, limit: int, sample: int | None) -> None:
        self._size = limit if sample is None else min(limit, sample)
        self._random = random.Random(0)  # noqa: S311 - not a secret: the same page each time
        self.drawn: list[tuple[int, RowOutcome]] = []
        self.seen = 0

    def add(self, rows: Iterable[RowOutcome]) -> None:
        for row in rows:
            self.seen += 1
            if len(self.drawn) < self._size:
                self.drawn.append((self.seen, row))
            elif (index := self._random.randrange(self.seen)) < self._size:
                self.drawn[index] = (self.seen, row)

    def in_order(self) -> Iterator[RowOutcome]:
        for _, row in sorted(self.drawn, key=lambda each: each[0]):
            yield row
