"""Fair semaphore: places that callers share, none of whom can take them all from the others.

A request that waits for a slow origin or model holds its place for many seconds. In order of
arrival, one caller with as many of them as there are places makes everybody else wait as long.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_RESERVED_FRACTION = 4
"""A quarter of the places, and of the queue, is for callers who hold few: less than a quarter of
what is free, or none. So those who come later find some left, down to one for each of a dozen."""
_QUICK = 1.5
"""Who holds a place for at most this many times the average, of those before or of those that are
held now, gives it back soon, and may take an equal share of all places but the last one."""
_SMOOTHING = 0.1
"""Weight of the newest request in the moving averages of how long places are held."""
_PRESENT_S = 600.0
"""A caller counts as present for this long after its last request."""
_PRESENT_MAX = 10_000
"""Callers that are remembered. Who is forgotten counts as absent."""


class FairSemaphore:
    """`total` places and `queue` requests that may wait for one.

    A caller who is alone may use all. While others are present, the last quarter of the places is
    for callers who hold few, and so is the last quarter of the queue. A place that becomes free
    goes to the caller who holds the fewest, and among equals to the one served longest ago.

    Who sends a steady few requests needs several places at once as soon as the server is slow, and
    with too few of them its requests wait for each other, longer and longer.
    """

    def __init__(
        self, total: int, queue: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.used = 0
        self.waiting = 0
        """How many requests wait."""
        self._queue = queue
        self._clock = clock
        self._held: dict[str, deque[float]] = {}
        """When each of a caller's places was taken, the oldest first."""
        self._average_s: dict[str, float] = {}
        """How long a caller that is present holds a place."""
        self._overall_average_s = 0.0
        self._sum_of_starts_s = 0.0
        """Of all places that are held, when they were taken: for their average age."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._last_seen_s: OrderedDict[str, float] = OrderedDict()
        """The callers that are present."""
        self._last_served: dict[str, int] = {}
        """Of those, when each was last given a place, counted in places given."""
        self._served = 0

    def has_room(self, caller: str) -> bool:
        """Whether a request of this caller gets a place now or may wait for one."""
        return self._may_hold(caller) or self._may_wait(caller)

    def is_nearly_full(self) -> bool:
        """Whether some caller may find no room."""
        return _unreserved(self.total) <= self.used and _unreserved(self._queue) <= self.waiting

    def try_acquire(self, caller: str) -> bool:
        """Take a place if that needs no waiting; whether it did."""
        self._see(caller)
        if not self._may_hold(caller):
            return False
        self._take(caller)
        return True

    async def acquire(self, caller: str) -> None:
        """Wait for a place and take it. The caller has asked `has_room`."""
        if self.try_acquire(caller):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(granted)
        self.waiting += 1
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release(caller)  # cancelled in the same tick as granted
            else:
                self._remove(caller, granted)
            raise

    def release(self, caller: str) -> None:
        """Give a place back, and grant places to waiting requests."""
        self._see(caller)
        self.used -= 1
        held = self._held[caller]
        # Whichever place is given back: the sum over all of them is the same.
        began_s = held.popleft()
        self._sum_of_starts_s -= began_s
        self._note_duration(caller, self._clock() - began_s)
        if not held:
            del self._held[caller]
        self._grant()

    def _may_hold(self, caller: str) -> bool:
        return self._has_share(caller, self.used, self.total, self._count_held(caller))

    def _may_wait(self, caller: str) -> bool:
        waiting = len(self._waiting.get(caller, ()))
        return self._has_share(caller, self.waiting, self._queue, waiting)

    def _has_share(self, caller: str, used: int, total: int, held: int) -> bool:
        if used < _unreserved(total) or self._is_alone(caller):
            return used < total
        free = total - used
        share = max(1, free // _RESERVED_FRACTION)
        if free > 1 and self._is_quick(caller):
            callers = len(self._held.keys() | self._waiting.keys() | {caller})
            share = max(share, total // max(2, callers))
        return free > 0 and held < share

    def _is_alone(self, caller: str) -> bool:
        oldest_s = self._clock() - _PRESENT_S
        while self._last_seen_s and next(iter(self._last_seen_s.values())) < oldest_s:
            name = next(iter(self._last_seen_s))
            if name in self._held or name in self._waiting:
                self._see(name)
            else:
                self._forget(name)
        return self._last_seen_s.keys() <= {caller}

    def _see(self, caller: str) -> None:
        self._last_seen_s[caller] = self._clock()
        self._last_seen_s.move_to_end(caller)
        if len(self._last_seen_s) > _PRESENT_MAX:
            self._forget(next(iter(self._last_seen_s)))

    def _forget(self, caller: str) -> None:
        del self._last_seen_s[caller]
        self._average_s.pop(caller, None)
        self._last_served.pop(caller, None)

    def _count_held(self, caller: str) -> int:
        return len(self._held.get(caller, ()))

    def _is_quick(self, caller: str) -> bool:
        """Whether its places come back soon. Who has not given one back yet may hold it long."""
        average_s = self._average_s.get(caller)
        if average_s is None:
            return False
        age_s = self._clock() - self._sum_of_starts_s / self.used if self.used else 0.0
        return average_s <= _QUICK * max(self._overall_average_s, age_s)

    def _note_duration(self, caller: str, held_s: float) -> None:
        average_s = self._average_s.get(caller, held_s)
        self._average_s[caller] = average_s + _SMOOTHING * (held_s - average_s)
        self._overall_average_s += _SMOOTHING * (held_s - self._overall_average_s)

    def _take(self, caller: str) -> None:
        self.used += 1
        now_s = self._clock()
        self._held.setdefault(caller, deque()).append(now_s)
        self._sum_of_starts_s += now_s
        self._served += 1
        self._last_served[caller] = self._served

    def _grant(self) -> None:
        while self.used < self.total:
            able = [caller for caller in self._waiting if self._may_hold(caller)]
            if not able:
                return
            caller = min(able, key=self._rank)
            granted = self._waiting[caller].popleft()
            self.waiting -= 1
            if not self._waiting[caller]:
                del self._waiting[caller]
            if not granted.done():
                self._take(caller)
                granted.set_result(None)

    def _rank(self, caller: str) -> tuple[int, int]:
        return self._count_held(caller), self._last_served.get(caller, 0)

    def _remove(self, caller: str, granted: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(caller, deque())
        if granted in waiting:
            waiting.remove(granted)
            self.waiting -= 1
            if not waiting:
                del self._waiting[caller]


def _unreserved(total: int) -> int:
    return total - total // _RESERVED_FRACTION
