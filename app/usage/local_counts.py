"""What one server process has counted of one key in one month."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.usage.store import REQUESTS_FIELD


@dataclass(slots=True)
class LocalCounts:
    """What this process has counted of one key in one month, and what of it Redis knows."""

    counts: Counter[str] = field(default_factory=Counter)
    unstored: set[str] = field(default_factory=set)
    """Fields whose count Redis may not know."""
    ended: list[str] = field(default_factory=list)
    """Reservations that ended, which Redis may still hold."""
    stored_requests: int = 0
    """Requests that Redis has had of this process: one that has fewer was emptied or is older."""
    counted_at_s: float = field(default_factory=time.monotonic)
    """When something was counted last, by this process's monotonic clock."""
    used_at_least: int = 0
    """Captions that Redis once said were delivered: a Redis that lost them opens no quota."""

    @property
    def unstored_counts(self) -> dict[str, int]:
        """The counts that Redis may not know."""
        return {name: self.counts[name] for name in sorted(self.unstored)}

    def to_json(self, fields: Iterable[str]) -> dict[str, Any]:
        """What the scripts read of an entry."""
        return {
            "counts": {name: self.counts[name] for name in fields},
            "ended": list(self.ended),
            "stored_requests": self.stored_requests,
        }

    def forget_stored(self, sent: Mapping[str, Any]) -> bool:
        """Redis has what `to_json` returned. Whether it lacks nothing of this entry now."""
        for name, count in sent["counts"].items():
            if self.counts[name] == count:
                self.unstored.discard(name)
        del self.ended[: len(sent["ended"])]
        self.stored_requests = max(self.stored_requests, sent["counts"].get(REQUESTS_FIELD, 0))
        return not self.unstored and not self.ended
