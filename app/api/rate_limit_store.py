"""Moving windows in this process's memory: when each caller asked of late.

The store that `limits` brings starts a thread for nearly every request, to forget old entries, and
copies every caller's list in it. Here a caller's old entries go when it asks again, and those of
callers who stay away a few at a time, whoever asks.
"""

import time
from collections import OrderedDict, deque

from limits.storage import MovingWindowSupport, Storage

_SWEPT_AT_A_TIME = 2
"""More than one, so that callers are forgotten faster than new ones can come."""

_Asked = OrderedDict[str, deque[float]]


class WindowStorage(Storage, MovingWindowSupport):
    """What `limits` wants of a store for its strategy `moving-window`. Not for threads."""

    STORAGE_SCHEME = ["windows"]  # noqa: RUF012 - so it is read by limits' registry

    def __init__(
        self, uri: str | None = None, wrap_exceptions: bool = False, **options: str
    ) -> None:
        """`uri` is `windows://`."""
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        # By length of window, in seconds: then those who asked longest ago stand first.
        self._asked: dict[int, _Asked] = {}

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Note `amount` requests of now where the window of `expiry` seconds has room for them."""
        now = time.time()
        asked = self._asked.setdefault(expiry, OrderedDict())
        self._sweep(asked, now - expiry)
        entries = asked.get(key)
        if entries is None:
            entries = deque()
        _forget(entries, now - expiry)
        if len(entries) + amount > limit:
            return False
        entries.extend([now] * amount)
        asked[key] = entries
        asked.move_to_end(key)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - limits' own form
        """When the oldest request in the window came, now where there is none; and how many."""
        now = time.time()
        entries = self._asked[expiry].get(key) if expiry in self._asked else None
        if entries is None:
            return now, 0
        _forget(entries, now - expiry)
        return (entries[0], len(entries)) if entries else (now, 0)

    @staticmethod
    def _sweep(asked: _Asked, before: float) -> None:
        for _ in range(_SWEPT_AT_A_TIME):
            first = next(iter(asked), None)
            if first is None or (asked[first] and asked[first][-1] >= before):
                return
            del asked[first]

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What a broken store raises; this one does not break."""
        return ValueError

    def check(self) -> bool:
        """Always there."""
        return True

    def reset(self) -> int | None:
        """Forget everybody; how many that were."""
        count = sum(len(asked) for asked in self._asked.values())
        self._asked.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one."""
        for asked in self._asked.values():
            asked.pop(key, None)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Of fixed windows, which are not kept here."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """Of fixed windows, too."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Of fixed windows, too."""
        raise NotImplementedError


def _forget(entries: deque[float], before: float) -> None:
    while entries and entries[0] < before:
        entries.popleft()
