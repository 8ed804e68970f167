"""Call both clients in the same way, so that each test runs with either."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from altwright import Altwright, AsyncAltwright

MakeClient = Callable[..., "ClientUnderTest"]


class ClientUnderTest:
    """`Altwright`, or `AsyncAltwright` on its own event loop, with blocking calls."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        make = AsyncAltwright if kind == "async" else Altwright
        self.client: Any = make(**options)
        self._loop = asyncio.new_event_loop() if kind == "async" else None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)
        return lambda *arguments, **named: self._run(method(*arguments, **named))

    def caption_many(self, *arguments: Any, **named: Any) -> Generator[tuple[Any, Any], None, None]:
        """The client's iterator; closing it closes the client's."""
        many = self.client.caption_many(*arguments, **named)
        if self._loop is None:
            return many  # type: ignore[no-any-return]
        return self._iterate(many)

    def close(self) -> None:
        """Close the client, and its loop."""
        if self._loop is None:
            self.client.close()
        elif not self._loop.is_closed():
            self._run(self.client.aclose())
            self._run(asyncio.sleep(0))
            self._loop.close()

    def running_tasks(self) -> int:
        """The number of tasks on the event loop."""
        return 0 if self._loop is None else len(asyncio.all_tasks(self._loop))

    def _run(self, result: Any) -> Any:
        if self._loop is None or not asyncio.iscoroutine(result):
            return result
        return self._loop.run_until_complete(result)

    def _iterate(self, many: Any) -> Generator[tuple[Any, Any], None, None]:
        try:
            while True:
                try:
                    yield self._run(many.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            self._run(many.aclose())
