"""Whose job is next when children are fewer than jobs.

First come, first served would let one caller with many costly pictures make everybody wait behind
all of them. So who has least in work goes next, then who had a turn longest ago: first by caller,
then by where the caller's pictures come from. Among equals, and so for a caller who is alone with
pictures of one host, it is first come, first served.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

FairnessKey = tuple[str, ...]
"""Whose a job is, from the widest to the narrowest: caller, then host. Nobody's jobs, `()`, go
first: they end what has begun."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[_T]):
    """One job in the line."""

    future: asyncio.Future[_T]
    may_express: bool
    turn: FairnessKey


class FairQueue(Generic[_T]):
    """The jobs that wait, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[Waiting[_T]] = []
        self._called = 0
        self._last: dict[FairnessKey, int] = {}
        """When those who wait or are in work had their last turn, counted in calls."""

    def __len__(self) -> int:
        return sum(not one.future.done() for one in self._waiting)

    def join(self, *, may_express: bool, turn: FairnessKey) -> asyncio.Future[_T]:
        """The place of one more job; cancelling it leaves the line."""
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(future, may_express, turn))
        return future

    def call(self, *, is_express: bool, in_work: Iterable[FairnessKey]) -> Waiting[_T] | None:
        """Take out the job that a child does next, None where nobody waits for such a child.

        `in_work`: whose jobs the children are doing, with the one that this child has just done.
        """
        self._waiting = [one for one in self._waiting if not one.future.done()]
        held = Counter(part for turn in in_work for part in _parts(turn))
        there = held.keys() | {part for one in self._waiting for part in _parts(one.turn)}
        self._last = {part: call for part, call in self._last.items() if part in there}

        def rank(one: Waiting[_T]) -> list[tuple[int, int]]:
            return [(held[part], self._last.get(part, 0)) for part in _parts(one.turn)]

        fit = (one for one in self._waiting if one.may_express or not is_express)
        chosen = min(fit, key=rank, default=None)  # the first of equals
        if chosen is not None:
            self._waiting.remove(chosen)
            self._called += 1
            self._last |= dict.fromkeys(_parts(chosen.turn), self._called)
        return chosen

    def close(self, error: Exception) -> None:
        """Send everybody away with `error`."""
        for one in self._waiting:
            if not one.future.done():
                one.future.set_exception(error)
        self._waiting.clear()


def _parts(turn: FairnessKey) -> list[FairnessKey]:
    """The caller, then the caller's host: `("anna", "a.example")` counts for both."""
    return [turn[: end + 1] for end in range(len(turn))]
