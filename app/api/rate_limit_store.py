"""A store for `limits` that counts requests in moving windows in this process's memory.

The memory store of `limits` starts a thread for nearly every request to remove old entries, and
copies the entries of every caller in it. Here a caller's old entries are removed by its own next
request, and those of absent callers a few at a time by any request.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits.storage import MovingWindowSupport, Storage

_SCHEME = "moving-window-memory"
STORE_URL = f"{_SCHEME}://"
"""The URL under which `limits` finds this store once the module is imported."""
_REMOVED_PER_REQUEST = 2
"""More than one, so that callers are removed faster than new ones can arrive."""

_Window = OrderedDict[str, deque[float]]
"""For each caller the times of its requests, the caller with the oldest last request first."""


class MovingWindowStorage(Storage, MovingWindowSupport):
    """What `limits` needs of a store for its strategy `moving-window`. Not thread-safe."""

    STORAGE_SCHEME = [_SCHEME]  # noqa: RUF012 - the registry of `limits` reads a list

    def __init__(
        self,
        uri: str | None = None,
        wrap_exceptions: bool = False,
        clock: Callable[[], float] = time.time,
        **options: str,
    ) -> None:
        """`uri` is STORE_URL; `clock` returns seconds."""
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self._clock = clock
        self._windows: dict[int, _Window] = {}
        """By the window's length in seconds."""

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` requests where the window of `expiry` seconds allows them."""
        now = self._clock()
        window = self._windows.setdefault(expiry, OrderedDict())
        self._remove_absent_callers(window, now - expiry)
        times = window.get(key)
        if times is None:
            times = deque()
        _remove_before(times, now - expiry)
        if len(times) + amount > limit:
            return False
        times.extend([now] * amount)
        window[key] = times
        window.move_to_end(key)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002 - the signature of `limits`
        """The time of the oldest request in the window (now if there is none), and their number."""
        now = self._clock()
        times = self._windows[expiry].get(key) if expiry in self._windows else None
        if times is None:
            return now, 0
        _remove_before(times, now - expiry)
        return (times[0], len(times)) if times else (now, 0)

    @staticmethod
    def _remove_absent_callers(window: _Window, before: float) -> None:
        for _ in range(_REMOVED_PER_REQUEST):
            first = next(iter(window), None)
            if first is None or (window[first] and window[first][-1] >= before):
                return
            del window[first]

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Errors of a broken store. This one raises none."""
        return ValueError

    def check(self) -> bool:
        """Whether the store responds: always."""
        return True

    def reset(self) -> int | None:
        """Remove every caller; returns their number."""
        count = sum(len(window) for window in self._windows.values())
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Remove one caller."""
        for window in self._windows.values():
            window.pop(key, None)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not supported: fixed windows are not counted here."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """Not supported, as `incr`."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Not supported, as `incr`."""
        raise NotImplementedError


def _remove_before(times: deque[float], before: float) -> None:
    while times and times[0] < before:
        times.popleft()
