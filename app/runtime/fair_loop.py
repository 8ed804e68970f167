"""Event loop on which callers share the processor time, whoever has the most callbacks ready.

asyncio runs callbacks in order of arrival, and all that are ready before it polls for I/O again.
A request takes some twenty polls, so one caller with fifty requests in flight makes every other
request wait twenty times for fifty callbacks.
"""

import asyncio
import heapq
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context, ContextVar
from typing import Generic, TypeVar

POLL_EVERY_S = 0.001
"""Callbacks of callers run for at most this long before the loop polls for I/O."""
BULK_REST_FACTOR = 3.0
"""While several callers are present, bulk work rests for this many times the time of each of its
steps: it gets a quarter of the loop's time at most."""
_PRESENT_S = 0.1
"""A caller is present for this long after a step."""
REGULAR_AFTER_S, _REGULAR_FOR_S = 0.5, 60.0
"""A caller is a regular one from this long after its first step until this long after its last."""
REGULAR_CREDIT_S = 0.06
"""So much of the loop's time a regular caller may use before those who have just come. Twenty who
come at once, with four requests each, would otherwise delay a request by a tenth of a second."""
_REMEMBERED_MAX = 1_000
"""Callers who do not wait. Past this, those are forgotten whose start tag makes no difference."""

_caller: ContextVar[str | None] = ContextVar("caller", default=None)
_reads_in_turns: ContextVar[bool] = ContextVar("reads_in_turns", default=False)
_is_bulk: ContextVar[bool] = ContextVar("is_bulk", default=False)
_BULK = ""
"""Stands for the bulk work of all callers in the turns. No caller has this name."""

_Item = TypeVar("_Item")


class FairTurns(Generic[_Item]):
    """Items of callers, in the order of start-time fair queueing (Goyal, Vin and Cheng, 1996).

    An item's start tag is the time that its caller has used, or the start tag of the item in work
    where that is later. The lowest start tag is next. So callers who are always waiting get equal
    time, and one who comes now and then waits for a single item of the others. Items of one caller
    keep their order.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Item]] = {}
        self._next: list[tuple[float, int, str]] = []
        """A heap: start tag, number in order of arrival, caller; one entry for each that waits."""
        self._used_s: dict[str, float] = {}
        """The start tag of the next item of callers who do not wait."""
        self._now_s = 0.0
        """The highest start tag of an item that was taken."""
        self._taken_s = 0.0
        """The start tag of the item that was taken last, lower with a credit."""
        self._added = 0
        self._count = 0

    def __len__(self) -> int:
        """How many items wait."""
        return self._count

    def add(self, caller: str, item: _Item, *, credit_s: float = 0.0) -> None:
        """Let an item wait for its turn.

        With a credit, a caller that did not wait goes before the others until it has used so much
        more than they have since.
        """
        waiting = self._waiting.get(caller)
        if waiting is None:
            waiting = self._waiting[caller] = deque()
            used_s = self._used_s.pop(caller, -math.inf)
            self._push(caller, max(self._now_s - credit_s, used_s))
        waiting.append(item)
        self._count += 1

    def take(self) -> tuple[str, _Item]:
        """Remove the next item; `charge` must follow. Raises IndexError where none waits."""
        self._taken_s, _, caller = heapq.heappop(self._next)
        self._now_s = max(self._now_s, self._taken_s)
        self._count -= 1
        return caller, self._waiting[caller].popleft()

    def charge(self, caller: str, used_s: float) -> None:
        """The item that was taken last has used this much time."""
        used_s += self._taken_s
        if self._waiting[caller]:
            self._push(caller, used_s)
            return
        del self._waiting[caller]
        if self._next:
            self._used_s[caller] = used_s
            if len(self._used_s) > _REMEMBERED_MAX:
                self._used_s = {
                    name: start_s for name, start_s in self._used_s.items() if start_s > self._now_s
                }
        else:  # nobody waits: from here on all are equal
            self._used_s.clear()
            self._now_s = 0.0

    def _push(self, caller: str, start_s: float) -> None:
        self._added += 1
        heapq.heappush(self._next, (start_s, self._added, caller))


class Regulars:
    """Callers who have been there for a while, and are still."""

    def __init__(self) -> None:
        self._first_s: dict[str, float] = {}
        self._last_s: OrderedDict[str, float] = OrderedDict()

    def note(self, caller: str, now_s: float) -> None:
        """The caller has a step."""
        if now_s - self._last_s.get(caller, -math.inf) > _REGULAR_FOR_S:
            self._first_s[caller] = now_s
        self._last_s[caller] = now_s
        self._last_s.move_to_end(caller)
        if len(self._last_s) > _REMEMBERED_MAX:
            forgotten, _ = self._last_s.popitem(last=False)
            del self._first_s[forgotten]

    def is_regular(self, caller: str, now_s: float) -> bool:
        """Whether the caller had its first step some time ago, and none is long missing."""
        return (
            now_s - self._first_s.get(caller, math.inf) >= REGULAR_AFTER_S
            and now_s - self._last_s[caller] <= _REGULAR_FOR_S
        )


class FairEventLoop(asyncio.SelectorEventLoop):
    """Runs the callbacks of contexts with a caller in fair turns, all others at once.

    These are the steps of a request's tasks: see `enter_turns`. A task that one of them creates
    belongs to the same caller.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` is in seconds."""
        super().__init__()
        self._clock = clock
        self._turns: FairTurns[asyncio.Handle | None] = FairTurns()
        """None, of `_BULK`: the next item of the bulk work."""
        self._bulk: FairTurns[asyncio.Handle] = FairTurns()
        self._ready_sockets: set[asyncio.Handle] = set()
        """Callbacks of sockets that wait for a turn: a socket is ready at each poll until it is
        read."""
        self._bulk_pauses = False
        """A step of the bulk work runs, or the rest after it."""
        self._latest_caller = ""
        self._latest_step_s = -math.inf
        self._others_step_s = -math.inf
        """When a caller other than the latest one had a step."""
        self._regulars = Regulars()
        self._will_run_turns = False

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """As in asyncio, in the turn of the context's caller."""
        caller = _caller.get() if context is None else context.get(_caller)
        if caller is None:
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._add_to_turns(caller, handle)
        return handle

    def _add_callback(self, handle: asyncio.Handle) -> None:
        """Let the callback of a socket that is ready run: in its turn where `reads_in_turns`."""
        context = _context_of(handle)
        caller = context.get(_caller)
        if caller is None or not context.get(_reads_in_turns):
            super()._add_callback(handle)  # type: ignore[misc]
        elif handle not in self._ready_sockets:
            self._ready_sockets.add(handle)
            self._add_to_turns(caller, handle)

    def _add_to_turns(self, caller: str, handle: asyncio.Handle) -> None:
        if _context_of(handle).get(_is_bulk):
            self._bulk.add(caller, handle)
            if self._bulk_pauses or len(self._bulk) > 1:
                return  # the next step of the bulk work comes of itself
            self._turns.add(_BULK, None)
        else:
            is_regular = self._regulars.is_regular(caller, self._latest_step_s)
            self._turns.add(caller, handle, credit_s=REGULAR_CREDIT_S if is_regular else 0.0)
        self._schedule_turns()

    def _schedule_turns(self) -> None:
        if not self._will_run_turns:
            self._will_run_turns = True
            super().call_soon(self._run_turns, context=Context())

    def _run_turns(self) -> None:
        """Run as many callbacks as wait now, and then let the loop poll for I/O."""
        turns, clock = self._turns, self._clock
        left = len(turns)
        now_s = clock()
        end_s = now_s + POLL_EVERY_S
        try:
            while left and now_s < end_s:
                left -= 1
                began_s = now_s
                caller, handle = turns.take()
                bulk_of = None
                if handle is None:
                    bulk_of, handle = self._bulk.take()
                    self._bulk_pauses = True
                self._ready_sockets.discard(handle)
                try:
                    if not handle.cancelled():
                        handle._run()  # noqa: SLF001 - as asyncio's own loop runs it
                finally:
                    now_s = clock()
                    turns.charge(caller, now_s - began_s)
                    if bulk_of is None:
                        self._note_step(caller, now_s)
                    else:
                        self._bulk.charge(bulk_of, now_s - began_s)
                        self._rest_from_bulk(now_s, now_s - began_s)
        finally:
            self._will_run_turns = False
            if turns:
                self._schedule_turns()

    def _note_step(self, caller: str, now_s: float) -> None:
        if caller != self._latest_caller:
            self._others_step_s = self._latest_step_s
            self._latest_caller = caller
        self._latest_step_s = now_s
        self._regulars.note(caller, now_s)

    def _rest_from_bulk(self, now_s: float, used_s: float) -> None:
        """Let the next step of the bulk work wait, for a rest where several callers are present."""
        if now_s - self._others_step_s < _PRESENT_S:
            self.call_later(BULK_REST_FACTOR * used_s, self._resume_bulk, context=Context())
        else:
            self._resume_bulk()

    def _resume_bulk(self) -> None:
        self._bulk_pauses = False
        if self._bulk:
            self._turns.add(_BULK, None)
            self._schedule_turns()


async def enter_turns(caller: str) -> None:
    """Make the current task, and those that it creates, run in the turns of `caller`."""
    _caller.set(caller)
    await asyncio.sleep(0)


async def end_step() -> None:
    """End the current task's step here, so that others need not wait for what follows as well."""
    await asyncio.sleep(0)


def reads_in_turns() -> AbstractContextManager[None]:
    """The sockets that the current task reads in this block are read in the turns of its caller.

    Only for sockets that are registered with the loop by each read. One that is shared and stays
    registered keeps the caller who opened it.
    """
    return _set_in_block(_reads_in_turns)


def bulk_work() -> AbstractContextManager[None]:
    """Steps of the current task in this block are bulk work.

    The bulk work of all callers together has the turns of one caller, and within them each caller
    has turns again. So twenty callers with large files delay the short steps of others as much as
    one does.
    """
    return _set_in_block(_is_bulk)


@contextmanager
def _set_in_block(variable: ContextVar[bool]) -> Iterator[None]:
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


def _context_of(handle: asyncio.Handle) -> Context:
    context: Context = handle._context  # type: ignore[attr-defined]  # noqa: SLF001
    return context
