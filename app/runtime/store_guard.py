"""Store guard: requests wait for a store outside this process only while it answers at once.

A store that hangs would otherwise delay every request by its timeout, and one that is tried again
by requests now and then delays all that come in that moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

_T = TypeVar("_T")

PATIENCE_S = 0.04
"""How long a request waits for a reply. A Redis in the same network takes about a millisecond."""
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 5.0
"""From a failure to the first probe, and between probes at most; doubled each time."""


class StoreUnavailable(Exception):
    """The store failed, did not reply in time, or was not asked because of that."""


class StoreGuard:
    """Asks a store for requests, until a reply fails or is late, and again once a probe succeeds.

    The probe runs beside the requests; none of them waits for it. Once one request has found the
    store late or failing, the others stop waiting too.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        on_change: Callable[[str | None], None],
        *,
        patience_s: float = PATIENCE_S,
        gives_up_together: bool = True,
    ) -> None:
        """`probe` asks the store for something, within a timeout of its own.

        `on_change` is called with the reason of a failure, and with None when the store responds
        again. `patience_s` is how long a request waits. Without `gives_up_together` each request
        waits that long, for a store whose callers are refused where it does not reply.
        """
        self._probe = probe
        self._patience_s = patience_s
        self._gives_up_together = gives_up_together
        self._on_change = on_change
        self._failure: asyncio.Future[None] | None = None
        """Done at the next failure."""
        self._tasks: set[asyncio.Future[Any]] = set()
        """The probe, and commands whose requests no longer wait. They end at their own timeout."""
        self.is_usable = True
        """Whether the store is asked."""

    async def ask(self, command: Callable[[], Awaitable[_T]]) -> _T:
        """What the command returns, at once or never. Raises StoreUnavailable."""
        if not self.is_usable:
            raise StoreUnavailable
        asking = asyncio.ensure_future(command())
        waited_for: set[asyncio.Future[Any]] = {asking}
        if self._gives_up_together:
            waited_for.add(self._next_failure())
        try:
            await asyncio.wait(
                waited_for, timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not asking.done():
                # Where the event loop was late, the reply may have arrived with the end of the
                # time, and its task is next.
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            asking.cancel()
            raise
        if not asking.done():
            self._keep(asking)
            self._fail("late")
            raise StoreUnavailable
        try:
            return asking.result()
        except Exception as error:
            self._fail(type(error).__name__)
            raise StoreUnavailable from error

    def close(self) -> None:
        """Stop the probe and all commands."""
        for task in tuple(self._tasks):
            task.cancel()

    def _next_failure(self) -> asyncio.Future[None]:
        if self._failure is None:
            self._failure = asyncio.get_running_loop().create_future()
        return self._failure

    def _fail(self, reason: str) -> None:
        if not self.is_usable:
            return
        self.is_usable = False
        if self._failure is not None:
            self._failure.set_result(None)
            self._failure = None
        self._on_change(reason)
        # Without the context of the request that failed: the probe is nobody's work.
        self._keep(asyncio.get_running_loop().create_task(self._recover(), context=Context()))

    async def _recover(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self.is_usable:
            await asyncio.sleep(pause_s)
            pause_s = min(MAX_PAUSE_S, 2 * pause_s)
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._probe()
            except Exception:  # noqa: BLE001, S112 - whatever it is, the store does not respond
                continue
            self.is_usable = True
            self._on_change(None)

    def _keep(self, task: asyncio.Future[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved
