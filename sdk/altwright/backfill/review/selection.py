"""Selection of the rows on a review page: all that wait for a person, and some of the rest."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from altwright.backfill.review.doubt import Doubt, count_contradicted, doubt_of
from altwright.backfill.review.review_item import HELD_LABEL, REVIEWED_LABEL, outcome_label
from altwright.backfill.types import AltSource, Outcome, Row
from altwright.errors import UsageError

RowOutcome = tuple[Row, Outcome]
MAX_ROWS = 2_000
"""Default number of rows on a page, which a browser opens in less than a second."""
_PARTS = 2
"""At most one half of a spot check are the most doubtful texts; the other is drawn at random."""
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
class SpotCheck:
    """A sample of the rows that a model has written, in two parts."""

    doubtful: int
    """How many of them are the most doubtful: their texts have warnings."""
    drawn: frozenset[str]
    """Keys of the rows that were drawn at random from all others."""
    drawn_from: int
    """How many others there are."""
    seed: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows for the page, and how many did not fit."""

    rows: tuple[RowOutcome, ...]
    left_out: int
    spot_check: SpotCheck | None = None
    """None if no sample was asked for."""


def select_rows(
    journal: OutcomeReader,
    *,
    labels: Sequence[str] = (),
    limit: int = MAX_ROWS,
    sample: int | None = None,
    seed: int = 0,
) -> Selection:
    """The rows of a page, the most doubtful first and those that failed last.

    If `labels` are given, only these outcomes. What does not fit is the least doubtful, and chance
    decides among equals. With a `sample`, only so many of the rows that a model has written: up to
    half of them the most doubtful, the others drawn at random. Rows that a person decided are left
    out unless their label is given. The same journal and seed give the same page. Raises
    UsageError.
    """
    for label in labels:
        if label not in _LABELS:
            raise UsageError(f"There is no outcome {label!r}: {', '.join(_LABELS)}.")
    chance = random.Random(seed)  # noqa: S311 - not a secret: the same page each time
    waiting = _Candidates(journal, _WAITING_STATES, labels, chance)
    written = _Candidates(journal, _written_states(labels), labels, chance)
    failed = _Candidates(journal, (AltSource.FAILED,), labels, chance)
    first = _take(limit, waiting)
    spot_check = None
    if sample is None:
        rest = _take(limit - len(first), written)
    else:
        # However many rows wait, a spot check has half of the page.
        rest, spot_check = _draw(written, min(sample, max(limit - len(first), limit // 2)), seed)
        first = first[: limit - len(rest)]
    last = _take(limit - len(first) - len(rest), failed)
    chosen = sorted([*first, *rest, *last], key=lambda each: each.place)
    count = waiting.count + written.count + failed.count
    return Selection(tuple(each.row for each in chosen), count - len(chosen), spot_check)


class _Candidate(NamedTuple):
    """A row with its rank: the first of several is the most doubtful."""

    doubt: Doubt
    not_contradicted: int
    """The number of contradicted claims, negative."""
    tie: float
    """Random."""
    number: int
    """In the order of the source; no two are equal."""
    row: RowOutcome

    @property
    def place(self) -> tuple[Doubt, int, int]:
        """Its place on the page."""
        return self.doubt, self.not_contradicted, self.number


class _Candidates:
    """The rows with some states, ranked and counted each time they are read."""

    def __init__(
        self,
        journal: OutcomeReader,
        states: Sequence[AltSource],
        labels: Sequence[str],
        chance: random.Random,
    ) -> None:
        self.count = 0
        self._journal = journal
        self._states = states
        self._labels = labels
        self._chance = chance

    def __iter__(self) -> Iterator[_Candidate]:
        self.count = 0
        for row in self._journal.iter_outcomes(*self._states):
            outcome = row[1]
            if outcome_label(outcome) in self._labels if self._labels else not outcome.is_decided:
                self.count += 1
                claims = -count_contradicted(outcome)
                tie = self._chance.random()
                yield _Candidate(doubt_of(outcome), claims, tie, self.count, row)


def _take(
    size: int,
    candidates: Iterable[_Candidate],
    key: Callable[[_Candidate], float] | None = None,
) -> list[_Candidate]:
    """The first by rank or `key`. Reads all, so that they are counted, even if it takes none."""
    return heapq.nsmallest(max(size, 1), candidates, key=key)[:size]


def _draw(candidates: _Candidates, size: int, seed: int) -> tuple[list[_Candidate], SpotCheck]:
    """A spot check of this size, or of all rows if there are not more."""
    warned = (each for each in candidates if each.doubt < Doubt.NONE)
    doubtful = _take(size // _PARTS, warned)
    taken = {each.number for each in doubtful}
    others = (each for each in candidates if each.number not in taken)
    drawn = _take(size - len(doubtful), others, key=lambda each: each.tie)
    keys = frozenset(each.row[0].key for each in drawn)
    drawn_from = candidates.count - len(doubtful)
    return [*doubtful, *drawn], SpotCheck(len(doubtful), keys, drawn_from, seed)


def _written_states(labels: Sequence[str]) -> list[AltSource]:
    decided = [AltSource.HUMAN_EDITED_AI, AltSource.HUMAN]
    return [AltSource.AI, AltSource.DECORATIVE, *(each for each in decided if each.value in labels)]
