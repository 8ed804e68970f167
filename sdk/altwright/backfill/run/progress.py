"""Where a run stands, in numbers; how it looks is the command's business."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from altwright.backfill.run_state import RunCounts
from altwright.backfill.types import AltSource, Outcome
from altwright.models import Caption

_WINDOW_S = 60.0
"""The rate is measured over the last minute: a pause shows, and so does its end."""


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Money for a million tokens, in whatever currency; 0: not told."""

    input: float = 0.0
    output: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """What so many cost."""
        return (input_tokens * self.input + output_tokens * self.output) / 1_000_000

    @property
    def are_known(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.input or self.output)


@dataclass(slots=True)
class RunProgress:
    """Counts of one run; `states` are of all rows, earlier runs included."""

    to_ask: int
    states: Counter[AltSource] = field(default_factory=Counter)
    asked: int = 0
    """Questions that have their answer, or failed, in this run."""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    written: int = 0
    kept: int = 0
    note: str = ""
    """Why nothing moves at the moment."""
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=4_096))
    _begun_s: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, counts: RunCounts, to_ask: int) -> RunProgress:
        """At the beginning of a run."""
        states = Counter(counts.by_state)
        # What failed earlier waits again.
        states[AltSource.PENDING] += states.pop(AltSource.FAILED, 0)
        return cls(to_ask, states)

    def paid(self, captions: Iterable[Caption]) -> None:
        """A call came back, with these captions."""
        self.calls += 1
        for caption in captions:
            self.input_tokens += caption.usage.input_tokens or 0
            self.output_tokens += caption.usage.output_tokens or 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """A question has its answer, or failed."""
        self.asked += 1
        for outcome in outcomes:
            self.states[outcome.alt_source] += 1
            self.states[AltSource.PENDING] -= 1
        self._ends.append(time.monotonic())

    def ended(self, asked: int) -> None:
        """So many questions of this run have ended, wherever that was."""
        now_s = time.monotonic()
        self._ends.extend([now_s] * min(asked - self.asked, self._ends.maxlen or 0))
        self.asked = asked

    @property
    def per_minute(self) -> float:
        """Questions answered, over the last minute."""
        now_s = time.monotonic()
        recent = sum(1 for at_s in self._ends if at_s > now_s - _WINDOW_S)
        return recent * 60 / max(1.0, min(_WINDOW_S, now_s - self._begun_s))

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at this rate; None while nobody knows."""
        rate = self.per_minute
        return (self.to_ask - self.asked) * 60 / rate if rate else None
