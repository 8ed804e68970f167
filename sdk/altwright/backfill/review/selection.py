"""Which of a run's rows are on the page: all that wait for a person, and some of the rest."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from altwright.backfill.review.review_item import HELD_LABEL, outcome_label
from altwright.backfill.types import AltSource, Outcome, Row
from altwright.errors import UsageError

Pair = tuple[Row, Outcome]
LIMIT = 2_000
"""Pictures of one page that open at once; more are for a second page."""
_WAITING = (AltSource.UNCERTAIN, AltSource.REJECTED)
_LABELS = (HELD_LABEL, *(each.value for each in AltSource if each is not AltSource.PENDING))


class OutcomeReader(Protocol):
    """What of a journal is needed here."""

    def outcomes(self, *states: AltSource) -> Iterator[Pair]:
        """Rows that have an outcome, in the order of the source."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows for the page, and how many there is no room for."""

    pairs: tuple[Pair, ...]
    left_out: int


def select_rows(
    journal: OutcomeReader,
    *,
    labels: Sequence[str] = (),
    limit: int = LIMIT,
    sample: int | None = None,
) -> Selection:
    """What waits for a person first, then what a model wrote, then what failed.

    `labels` are the only outcomes wanted, where some are named. Where what a model wrote is more
    than there is room for, or than `sample`, it is drawn at random: the first hundred of a
    catalogue say little of the rest. Decisions of people are left out unless they are named. The
    same journal gives the same page. Raises UsageError.
    """
    for label in labels:
        if label not in _LABELS:
            raise UsageError(f"There is no outcome {label!r}: {', '.join(_LABELS)}.")
    waiting = _Drawn(limit, None)
    waiting.add(_wanted(journal.outcomes(*_WAITING), labels))
    written = _Drawn(limit - len(waiting.kept), sample)
    written.add(_wanted(journal.outcomes(*_written_states(labels)), labels))
    failed = _Drawn(limit - len(waiting.kept) - len(written.kept), None)
    failed.add(_wanted(journal.outcomes(AltSource.FAILED), labels))
    drawn = (waiting, written, failed)
    return Selection(
        tuple(pair for each in drawn for pair in each.in_order()),
        sum(each.seen - len(each.kept) for each in drawn),
    )


def _written_states(labels: Sequence[str]) -> list[AltSource]:
    named = [AltSource.HUMAN_EDITED_AI, AltSource.HUMAN]
    return [AltSource.AI, AltSource.DECORATIVE, *(each for each in named if each.value in labels)]


def _wanted(pairs: Iterable[Pair], labels: Sequence[str]) -> Iterator[Pair]:
    for pair in pairs:
        label = outcome_label(pair[1])
        if label in labels if labels else not pair[1].is_decided:
            yield pair


class _Drawn:
    """Every row alike likely, in memory no more than fit (algorithm R)."""

    def __init__(self, room: int, sample: int | None) -> None:
        self._room = room if sample is None else min(room, sample)
        self._chance = random.Random(0)  # noqa: S311 - not a secret; the same page twice
        self.kept: list[tuple[int, Pair]] = []
        self.seen = 0

    def add(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self.seen += 1
            if len(self.kept) < self._room:
                self.kept.append((self.seen, pair))
            elif (place := self._chance.randrange(self.seen)) < self._room:
                self.kept[place] = (self.seen, pair)

    def in_order(self) -> Iterator[Pair]:
        for _, pair in sorted(self.kept, key=lambda each: each[0]):
            yield pair
