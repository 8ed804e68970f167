"""Progress of a run in numbers: counts, rate and time left. The command displays it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from altwright.backfill.run_state import RunCounts
from altwright.backfill.types import AltSource, Outcome
from altwright.errors import AltwrightError
from altwright.models import Caption, FailedCaption

_EMBEDDED = "embedded"
"""The `model` of texts that no model wrote."""
_PAID_CODES = ("model_error", "model_timeout")
_RATE_WINDOW_S = 60.0
"""The rate is that of the last minute, so that a pause shows, and its end too."""


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Prices of a million tokens, in any currency; 0: not given."""

    input: float = 0.0
    output: float = 0.0

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """The cost of that many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / 1_000_000

    @property
    def are_known(self) -> bool:
        """Whether a price is given."""
        return bool(self.input or self.output)


@dataclass(slots=True)
class RunProgress:
    """Counts of one run. `states` has all rows, those of earlier runs included."""

    total_requests: int
    calls_to_make: int | None = None
    """API calls if none is repeated; None: other processes make them."""
    states: Counter[AltSource] = field(default_factory=Counter)
    done_requests: int = 0
    """Requests of this run that have their result, or failed."""
    calls: int = 0
    """API calls, repeated attempts included."""
    input_tokens: int = 0
    output_tokens: int = 0
    texts_without_tokens: int | None = 0
    """Texts that a model may have written, or failed to, without a count: their cost is unknown.
    None: other processes make the calls."""
    written: int = 0
    kept: int = 0
    note: str = ""
    """Why nothing moves at the moment."""
    _done_at_s: deque[float] = field(default_factory=lambda: deque(maxlen=4_096))
    _started_at_s: float = field(default_factory=time.monotonic)

    @classmethod
    def from_counts(cls, counts: RunCounts, total_requests: int) -> RunProgress:
        """At the beginning of a run."""
        states = Counter(counts.by_state)
        # Rows that failed earlier are requested again.
        states[AltSource.PENDING] += states.pop(AltSource.FAILED, 0)
        return cls(total_requests, states=states)

    def add_call(self, outcome: Sequence[Caption | FailedCaption] | AltwrightError) -> None:
        """Count an API call, the tokens of its captions, and the texts that have no such count."""
        self.calls += 1
        results = [outcome] if isinstance(outcome, AltwrightError) else outcome
        for result in results:
            if isinstance(result, Caption):
                self.input_tokens += result.usage.input_tokens or 0
                self.output_tokens += result.usage.output_tokens or 0
            if self.texts_without_tokens is not None:
                self.texts_without_tokens += _is_cost_unknown(result)

    def add_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Count a request that has its result, and the outcomes of its rows."""
        self.done_requests += 1
        for outcome in outcomes:
            self.states[outcome.alt_source] += 1
            self.states[AltSource.PENDING] -= 1
        self._done_at_s.append(time.monotonic())

    def set_done_requests(self, done: int) -> None:
        """Set how many requests of this run are done, in all processes."""
        now_s = time.monotonic()
        newly_done = min(done - self.done_requests, self._done_at_s.maxlen or 0)
        self._done_at_s.extend([now_s] * newly_done)
        self.done_requests = done

    @property
    def per_minute(self) -> float:
        """Requests done in the last minute."""
        now_s = time.monotonic()
        recent = sum(1 for at_s in self._done_at_s if at_s > now_s - _RATE_WINDOW_S)
        return recent * 60 / max(1.0, min(_RATE_WINDOW_S, now_s - self._started_at_s))

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the rest takes at this rate; None if the rate is unknown."""
        rate = self.per_minute
        return (self.total_requests - self.done_requests) * 60 / rate if rate else None


def _is_cost_unknown(result: Caption | FailedCaption | AltwrightError) -> bool:
    """Whether a model may have been paid for it, and the server told no tokens."""
    if isinstance(result, Caption):
        tokens = (result.usage.input_tokens, result.usage.output_tokens)
        return None in tokens and result.model != _EMBEDDED
    problem = result.problem if isinstance(result, FailedCaption) else result
    code = problem.code or ""
    return code.startswith("caption_") or code in _PAID_CODES
